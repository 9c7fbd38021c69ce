// Clients that subscribe, as they are, while the node behind them is killed or hangs, again and again.

import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { Contract, WebSocketProvider } from 'ethers';
import { createPublicClient, defineChain, parseAbi, webSocket } from 'viem';

import { CHAIN_ID, PING, PING_ABI } from './chain.mjs';
import { Child } from './child.mjs';
import { Fleet, streaming, wsUrl } from './fleet.mjs';
import { Indexer } from './indexer.mjs';
import { BINARY, healthy } from './lasso.mjs';
import { Random } from './random.mjs';
import { call } from './rpc.mjs';
import { freePort, until } from './wait.mjs';

const PYTHON = process.env.LASSO_TEST_PYTHON ?? path.join(import.meta.dirname, '.venv/bin/python');

/** How often each node fails while a client listens, and so the one that serves it at least three times. */
const ROUNDS = 2;

const random = new Random(Date.now());
const WAIT = { limit: 40_000 };
let fleet;
let lasso;

before(async () => {
  fleet = await Fleet.start(3);
  lasso = await streaming(fleet.nodes);
  // A node of which no head was heard yet gets the benefit of the doubt, and may be asked for a block that it has not.
  await until('the router follows all nodes', () => lasso.log.split('lasso.upstream_websocket.connected').length > fleet.nodes.length);
  fleet.grow();
  await fleet.grown(3);
  await fleet.rest();
});

after(async () => {
  await lasso?.stop();
  await fleet?.stop();
});

/** How often a stream of heads has gone on with another node. */
const failovers = () => lasso.log.split('\n').filter((line) => line.includes('subs.failover.completed') && line.includes('new_heads')).length;

/**
 * Lets nodes fail while `lists` fill. `lists` are what a client was told, as functions that give the numbers of its
 * blocks or logs. Subscribing has to be over: the chain stands still until now.
 */
async function throughOutages(lists) {
  const first = fleet.height + 1;
  const reached = (height) =>
    Promise.all(Object.entries(lists).map(([name, list]) =>
      until(`${name} has all up to block ${height}`, () => list().length > height - first, WAIT)));
  fleet.grow();
  await reached(first + 2);
  const before = failovers();
  for (let round = 0; round < ROUNDS; round++) {
    for (const node of fleet.nodes) {
      await fleet.fail(node, random.pick(['kill', 'stop']));
      await fleet.grown(3);
      await reached(fleet.height);
      await fleet.mend(node);
    }
  }
  assert.ok(failovers() - before >= 3, lasso.log.slice(-2000));
  await fleet.rest();
  await reached(fleet.height);
  // Whatever is told twice has its time to come.
  await new Promise((done) => setTimeout(done, 300));
  const expected = fleet.from(first).map(({ number }) => number);
  for (const [name, list] of Object.entries(lists)) assert.deepEqual(list().map(Number), expected, name);
  return fleet.from(first);
}

test('viem: watchBlockNumber, watchBlocks, watchEvent and watchContractEvent', async () => {
  const chain = defineChain({
    id: CHAIN_ID,
    name: 'dev',
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [lasso.url] } },
  });
  const client = createPublicClient({ chain, transport: webSocket(wsUrl(lasso), { reconnect: false }) });
  const abi = parseAbi(PING_ABI);
  const [numbers, blocks, logs, events, errors] = [[], [], [], [], []];
  const onError = (error) => errors.push(error);
  const ready = client.getBlockNumber();
  const unwatch = [
    client.watchBlockNumber({ onBlockNumber: (number) => numbers.push(number), onError }),
    client.watchBlocks({ onBlock: (block) => blocks.push(block), onError }),
    client.watchEvent({ address: PING, event: abi[0], onLogs: (found) => logs.push(...found), onError }),
    client.watchContractEvent({ address: PING, abi, onLogs: (found) => events.push(...found), onError }),
  ];
  await ready;
  // The watchers subscribe on their own time; a call that is answered afterwards shows that they have.
  await until('all have subscribed', async () => (await client.transport.getRpcClient()).subscriptions.size === unwatch.length);
  const made = await throughOutages({
    watchBlockNumber: () => numbers,
    // It asks for each block by itself and tells them as the answers come.
    watchBlocks: () => blocks.map((block) => block?.number ?? -1n).sort((a, b) => Number(a - b)),
    watchEvent: () => logs.map(({ blockNumber }) => blockNumber),
    watchContractEvent: () => events.map(({ args }) => args.number),
  });
  assert.deepEqual(new Set(blocks.map(({ hash }) => hash)), new Set(made.map(({ hash }) => hash)));
  assert.deepEqual(logs.map(({ blockHash }) => blockHash), made.map(({ hash }) => hash));
  assert.deepEqual(errors, []);
  for (const stop of unwatch) stop();
  (await client.transport.getRpcClient()).close();
});

test('ethers: on("block") and a contract listener', async () => {
  const provider = new WebSocketProvider(wsUrl(lasso), CHAIN_ID);
  let acknowledged = 0;
  provider.on('debug', ({ action, result }) => {
    if (action === 'receiveRpcResult') acknowledged += result.filter((one) => /^0x[0-9a-f]{32}$/.test(one.result)).length;
  });
  const contract = new Contract(PING, PING_ABI, provider);
  const [blocks, pings] = [[], []];
  await provider.on('block', (number) => blocks.push(number));
  await contract.on('Ping', (number, event) => pings.push({ number, hash: event.log.blockHash }));
  // There is no telling from ethers when a subscription is there, but from its socket.
  await until('both have subscribed', () => acknowledged === 2);
  const made = await throughOutages({ 'on("block")': () => blocks, 'the contract listener': () => pings.map(({ number }) => number) });
  assert.deepEqual(pings.map(({ hash }) => hash), made.map(({ hash }) => hash));
  await provider.destroy();
});

test('web3.py: newHeads and logs', async (t) => {
  const child = new Child(PYTHON, ['-u', 'web3py_subscriber.py'], {
    cwd: import.meta.dirname,
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1', WS_URL: wsUrl(lasso), PING },
  });
  t.after(() => child.kill());
  const lines = (name) =>
    child.output
      .slice(0, child.output.lastIndexOf('\n') + 1)
      .split('\n')
      .map((line) => line.split(' '))
      .filter(([first]) => first === name);
  await until('it has subscribed', () => {
    if (child.exit) throw new Error(child.output);
    return lines('ready').length > 0;
  }).catch((error) => assert.fail(`${error.message}\n${child.output}`));
  const made = await throughOutages({
    newHeads: () => lines('head').map(([, number]) => number),
    logs: () => lines('log').map(([, number]) => number),
  }).catch((error) => assert.fail(`${error.message}\n${child.output.slice(-2000)}`));
  for (const name of ['head', 'log']) assert.deepEqual(lines(name).map(([, , hash]) => hash), made.map(({ hash }) => hash), name);
  assert.equal(child.exit, undefined, child.output);
});

test('an indexer that follows parent hashes', async (t) => {
  const indexer = await Indexer.start(wsUrl(lasso), { address: PING });
  const made = await throughOutages({ 'the table': () => indexer.table.map(({ number }) => number) });
  assert.deepEqual(indexer.differences(), []);
  assert.deepEqual(
    indexer.table.map(({ hash, logs }) => [hash, logs.map(({ data }) => data)]),
    made.map(({ hash, logs }) => [hash, logs.map(({ data }) => data)]),
  );
  t.diagnostic(`asked again ${indexer.retries} times`);
  indexer.stop();
});

test('lasso demo serves subscribers', async (t) => {
  const port = await freePort();
  const demo = new Child(BINARY, ['demo', '--listen', `127.0.0.1:${port}`]);
  t.after(() => demo.kill());
  await healthy(demo, `http://127.0.0.1:${port}`);
  const url = /http:\/\/\S+(\/rpc\/\S+)/.exec(demo.output)[1];
  const base = `127.0.0.1:${port}`;
  const indexer = await Indexer.start(`ws://${base}/ws${url}`, {});
  await until('five blocks are told', () => indexer.table.length >= 5 && indexer.differences().length === 0, WAIT);
  assert.deepEqual(indexer.differences(), []);
  for (const { number, hash } of indexer.table) {
    assert.equal((await call(`http://${base}${url}`, 'eth_getBlockByNumber', [`0x${number.toString(16)}`, false])).hash, hash);
  }
  indexer.stop();
});
