// The ground the other tests stand on: several nodes, one chain.

import assert from 'node:assert/strict';
import test from 'node:test';

import { HEIGHT, RECEIVER, REFUSE, REFUSE_DATA, SENDER } from './chain.mjs';
import { Network } from './nodes.mjs';

test('nodes hold equal blocks, also after transactions at one of them and a restart of another', async (t) => {
  const network = await Network.start(3);
  t.after(() => network.stop());
  const [first, second, third] = network.nodes;

  await second.call('eth_sendTransaction', [{ from: SENDER, to: RECEIVER, value: '0x1' }]);
  await network.mine();
  assert.equal(network.height, HEIGHT + 1);

  const logs = (node) => node.call('eth_getLogs', [{ fromBlock: '0x0', toBlock: 'latest' }]);
  const before = await logs(third);
  assert.equal(before.length, 5);

  const state = await network.saveState();
  await third.kill();
  await assert.rejects(third.call('eth_blockNumber'));
  await third.restart(state);
  await network.assertEqual();
  assert.deepEqual(await logs(third), before);

  await assert.rejects(first.call('eth_call', [{ to: REFUSE, data: '0x' }, 'latest']), { code: 3, data: REFUSE_DATA });
});
