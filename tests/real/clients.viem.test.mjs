// viem, over single requests and over batches, against one URL with three nodes behind it.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { BaseError, ContractFunctionRevertedError, createPublicClient, createWalletClient, defineChain, http, parseAbi } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';

import { CHAIN_ID, HEIGHT, PING, PING_ABI, PINGS, RECEIVER, REFUSE, REFUSE_DATA, SENDER_KEY } from './chain.mjs';
import { Lasso, providers } from './lasso.mjs';
import { Network } from './nodes.mjs';
import { until } from './wait.mjs';

const abi = parseAbi(PING_ABI);
const refuseAbi = parseAbi(['function anything() view returns (uint256)']);
const account = privateKeyToAccount(SENDER_KEY);

const TRANSPORTS = {
  'single requests': (url) => http(url, { retryCount: 0 }),
  batches: (url) => http(url, { retryCount: 0, batch: { batchSize: 50 } }),
};

let network;
let lasso;
let chain;

before(async () => {
  network = await Network.start(3);
  lasso = await Lasso.start({ providers: providers(network.nodes) });
  chain = defineChain({
    id: CHAIN_ID,
    name: 'dev',
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [lasso.url] } },
  });
});

after(async () => {
  await lasso?.stop();
  await network?.stop();
});

for (const [name, transport] of Object.entries(TRANSPORTS)) {
  describe(`viem, ${name}`, () => {
    let client;
    before(() => {
      client = createPublicClient({ chain, transport: transport(lasso.url), pollingInterval: 50, cacheTime: 0 });
    });

    test('reads the chain', async () => {
      const [id, height, block, balance, gas] = await Promise.all([
        client.getChainId(),
        client.getBlockNumber(),
        client.getBlock({ blockNumber: BigInt(PINGS.from), includeTransactions: true }),
        client.getBalance({ address: RECEIVER, blockNumber: BigInt(HEIGHT) }),
        client.estimateGas({ account, to: RECEIVER, value: 1n }),
      ]);
      assert.equal(id, CHAIN_ID);
      assert.equal(height, BigInt(network.height));
      assert.equal(block.transactions[0].to, PING);
      assert.equal(block.hash, (await network.nodes[0].call('eth_getBlockByNumber', [`0x${PINGS.from.toString(16)}`, false])).hash);
      assert.equal(balance, 10_000n * 10n ** 18n);
      assert.equal(gas, 21_000n);
    });

    test('calls contracts and reads their events', async () => {
      assert.equal(
        await client.readContract({ address: PING, abi, functionName: 'peek', blockNumber: BigInt(HEIGHT) }),
        BigInt(HEIGHT),
      );
      const range = { fromBlock: BigInt(PINGS.from), toBlock: BigInt(PINGS.to) };
      const events = await client.getContractEvents({ address: PING, abi, ...range });
      assert.deepEqual(events.map(({ args }) => args.number), [3n, 4n, 5n, 6n, 7n]);
      assert.equal((await client.getLogs({ address: PING, ...range })).length, 5);
    });

    test('sixty calls in one tick', async () => {
      const heights = await Promise.all(
        Array.from({ length: 60 }, () => client.request({ method: 'eth_getBlockByNumber', params: ['0x5', false] })),
      );
      assert.equal(new Set(heights.map(({ hash }) => hash)).size, 1);
    });

    test('sends a transaction signed here and waits for its receipt', async () => {
      const wallet = createWalletClient({ account, chain, transport: transport(lasso.url) });
      const stopMining = network.mineOnDemand();
      try {
        const hash = await wallet.sendTransaction({ to: PING, data: '0x5c36b186' });
        const receipt = await client.waitForTransactionReceipt({ hash, timeout: 15_000 });
        assert.equal(receipt.status, 'success');
        assert.equal(receipt.logs.length, 1);
        assert.equal(receipt.blockNumber, BigInt(network.height));
      } finally {
        await stopMining();
      }
    });

    test('a revert arrives as the revert it is', async () => {
      const error = await client.readContract({ address: REFUSE, abi: refuseAbi, functionName: 'anything' }).then(
        () => assert.fail('the call must revert'),
        (error) => error,
      );
      assert.ok(error instanceof BaseError);
      const revert = error.walk((cause) => cause instanceof ContractFunctionRevertedError);
      assert.equal(revert?.reason, 'nope');
      assert.equal(revert?.raw, REFUSE_DATA);
    });

    test('an unknown method is refused as such', async () => {
      await assert.rejects(client.request({ method: 'eth_noSuchMethod' }), (error) => error.walk((cause) => cause.code === -32601) !== null);
    });

    test('watches block numbers by polling', async () => {
      const seen = [];
      const unwatch = client.watchBlockNumber({ poll: true, emitOnBegin: true, onBlockNumber: (number) => seen.push(number) });
      try {
        await until('the present height is seen', () => seen.includes(BigInt(network.height)));
        await network.mine();
        await until('the next height is seen', () => seen.includes(BigInt(network.height)));
      } finally {
        unwatch();
      }
    });

    test('watches contract events although filters are refused: it falls back to eth_getLogs', async () => {
      await assert.rejects(client.createBlockFilter(), (error) => error.walk((cause) => cause.code === -32601) !== null);
      const seen = [];
      let polls = 0;
      const unwatch = client.watchContractEvent({
        address: PING,
        abi,
        poll: true,
        onLogs: (logs) => seen.push(...logs),
        onError: (error) => assert.fail(error),
      });
      const counting = client.watchBlockNumber({ poll: true, emitOnBegin: true, onBlockNumber: () => polls++ });
      try {
        // The watcher asks for the height first and for events of later blocks only.
        await until('the watcher has started', () => polls > 0);
        await until('an event arrives', async () => {
          await network.nodes[0].call('eth_sendTransaction', [{ from: RECEIVER, to: PING, data: '0x5c36b186' }]);
          await network.mine();
          return seen.length > 0;
        }, { every: 200 });
        assert.equal(seen[0].args.number, seen[0].blockNumber);
      } finally {
        unwatch();
        counting();
      }
    });
  });
}

test('viem notices nothing of a dead provider', async () => {
  const client = createPublicClient({ chain, transport: http(lasso.url, { retryCount: 0 }), cacheTime: 0 });
  await network.nodes[1].kill();
  for (let i = 0; i < 40; i++) {
    assert.equal(await client.getBlockNumber(), BigInt(network.height));
    assert.equal((await client.getLogs({ fromBlock: BigInt(PINGS.from), toBlock: BigInt(PINGS.to) })).length, 5);
  }
});
