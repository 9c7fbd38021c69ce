// cast: one process a question, as shell scripts ask it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { CHAIN_ID, HEIGHT, PING, PING_TOPIC, PINGS, REFUSE } from './chain.mjs';
import { run } from './child.mjs';
import { Lasso, providers } from './lasso.mjs';
import { Network, program } from './nodes.mjs';

let network;
let lasso;

before(async () => {
  network = await Network.start(2);
  lasso = await Lasso.start({ providers: providers(network.nodes) });
});

after(async () => {
  await lasso?.stop();
  await network?.stop();
});

async function cast(...args) {
  const { code, output } = await run(program('cast'), [...args, '--rpc-url', lasso.url]);
  return { code, output: output.trim() };
}

test('block number and chain id', async () => {
  assert.deepEqual(await cast('block-number'), { code: 0, output: String(HEIGHT) });
  assert.deepEqual(await cast('chain-id'), { code: 0, output: String(CHAIN_ID) });
});

test('calls', async () => {
  assert.deepEqual(await cast('call', PING, 'peek()(uint256)'), { code: 0, output: String(HEIGHT) });
  const refused = await cast('call', REFUSE, 'anything()(uint256)');
  assert.equal(refused.code, 1);
  assert.match(refused.output, /nope/);
});

test('logs', async () => {
  const { code, output } = await cast(
    'logs', '--json', '--address', PING, '--from-block', String(PINGS.from), '--to-block', String(PINGS.to), PING_TOPIC,
  );
  assert.equal(code, 0, output);
  assert.deepEqual(JSON.parse(output).map(({ blockNumber }) => Number(blockNumber)), [3, 4, 5, 6, 7]);
});
