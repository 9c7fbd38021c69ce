// ethers: it batches on its own, asks for the chain id again and again, and has words of its own for errors.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Contract, isCallException, JsonRpcProvider, Wallet } from 'ethers';

import { CHAIN_ID, HEIGHT, PING, PING_ABI, PINGS, RECEIVER, REFUSE, REFUSE_DATA, SENDER_KEY } from './chain.mjs';
import { Lasso, providers } from './lasso.mjs';
import { Network } from './nodes.mjs';
import { until } from './wait.mjs';

let network;
let lasso;
const open = [];

function connect(options, chainId) {
  const provider = new JsonRpcProvider(lasso.url, chainId, { pollingInterval: 50, cacheTimeout: -1, ...options });
  open.push(provider);
  return provider;
}

before(async () => {
  network = await Network.start(3);
  lasso = await Lasso.start({ providers: providers(network.nodes) });
});

after(async () => {
  for (const provider of open) provider.destroy();
  await lasso?.stop();
  await network?.stop();
});

test('finds the network by itself and reads the chain in its default small bursts', async () => {
  const provider = connect({});
  const [found, height, block, balance] = await Promise.all([
    provider.getNetwork(),
    provider.getBlockNumber(),
    provider.getBlock(PINGS.from, true),
    provider.getBalance(RECEIVER, HEIGHT),
  ]);
  assert.equal(found.chainId, BigInt(CHAIN_ID));
  assert.equal(height, network.height);
  assert.equal(block.prefetchedTransactions[0].to.toLowerCase(), PING);
  assert.equal(balance, 10_000n * 10n ** 18n);
});

test('a network given beforehand is believed', async () => {
  const provider = connect({ staticNetwork: true }, CHAIN_ID);
  assert.equal(await provider.getBlockNumber(), network.height);
});

test('a hundred calls in one tick pass with batches of fifty', async () => {
  const provider = connect({ batchMaxCount: 50, staticNetwork: true }, CHAIN_ID);
  const blocks = await Promise.all(Array.from({ length: 100 }, (_, i) => provider.getBlock(i % (HEIGHT + 1))));
  assert.deepEqual(blocks.map(({ number }) => number), Array.from({ length: 100 }, (_, i) => i % (HEIGHT + 1)));
});

test('a batch of more than fifty fails every call in it, none is left hanging', async () => {
  const provider = connect({ staticNetwork: true }, CHAIN_ID);
  const outcomes = await Promise.allSettled(Array.from({ length: 60 }, () => provider.send('eth_blockNumber', [])));
  assert.deepEqual(new Set(outcomes.map(({ status }) => status)), new Set(['rejected']));
  assert.equal(await provider.getBlockNumber(), network.height);
});

test('queries events', async () => {
  const contract = new Contract(PING, PING_ABI, connect({ batchMaxCount: 50 }));
  const events = await contract.queryFilter('Ping', PINGS.from, PINGS.to);
  assert.deepEqual(events.map(({ args }) => args.number), [3n, 4n, 5n, 6n, 7n]);
  assert.equal(await contract.peek({ blockTag: HEIGHT }), BigInt(HEIGHT));
});

test('sends a transaction signed here and waits for it', async () => {
  const wallet = new Wallet(SENDER_KEY, connect({ batchMaxCount: 50 }));
  const stopMining = network.mineOnDemand();
  try {
    const sent = await wallet.sendTransaction({ to: PING, data: '0x5c36b186' });
    const receipt = await sent.wait(1, 15_000);
    assert.equal(receipt.status, 1);
    assert.equal(receipt.logs.length, 1);
  } finally {
    await stopMining();
  }
});

test('listens to events over HTTP although filters are refused: it falls back to polling', async () => {
  const contract = new Contract(PING, PING_ABI, connect({}));
  const seen = [];
  await contract.on('Ping', (number) => seen.push(number));
  try {
    await until('an event arrives', async () => {
      await network.nodes[0].call('eth_sendTransaction', [{ from: RECEIVER, to: PING, data: '0x5c36b186' }]);
      await network.mine();
      return seen.length > 0;
    }, { every: 200 });
  } finally {
    await contract.off('Ping');
  }
});

test('errors keep code and data: revert, unknown method, key-holding method', async () => {
  const provider = connect({ batchMaxCount: 1, staticNetwork: true }, CHAIN_ID);
  await assert.rejects(provider.call({ to: REFUSE }), (error) => {
    assert.ok(isCallException(error), error.message);
    assert.equal(error.reason, 'nope');
    assert.equal(error.data, REFUSE_DATA);
    return true;
  });
  for (const method of ['eth_noSuchMethod', 'eth_sign', 'eth_accounts']) {
    await assert.rejects(provider.send(method, []), (error) => (error.error ?? error.info?.error)?.code === -32601, method);
  }
});

test('notices nothing of a dead provider', async () => {
  const provider = connect({ batchMaxCount: 10, staticNetwork: true }, CHAIN_ID);
  await network.nodes[2].kill();
  for (let i = 0; i < 10; i++) {
    const heights = await Promise.all(Array.from({ length: 10 }, () => provider.getBlockNumber()));
    assert.deepEqual(new Set(heights), new Set([network.height]));
  }
});
