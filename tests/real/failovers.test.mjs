// A hundred times the node that serves the streams is killed or hangs: subscribers have every block and log once.
//
// LASSO_FAILOVERS says how many times, LASSO_FAILOVERS_SEED repeats the draws of the run that printed it.

import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';

import { createClient, webSocket } from 'viem';

import { PING, PING_TOPIC } from './chain.mjs';
import { Fleet, streaming, wsUrl } from './fleet.mjs';
import { Random } from './random.mjs';
import { until } from './wait.mjs';

const FAILOVERS = Number(process.env.LASSO_FAILOVERS ?? 100);
const SEED = Number(process.env.LASSO_FAILOVERS_SEED ?? Date.now() % 2 ** 32);

/** All that one subscription is told, on a socket that is not opened anew. */
async function subscription(url, params) {
  const told = [];
  const client = createClient({ transport: webSocket(url, { reconnect: false, keepAlive: false }) });
  await client.transport.subscribe({ params, onData: ({ result }) => told.push(result), onError: ({ shortMessage }) => told.push({ shortMessage }) });
  const rpc = await client.transport.getRpcClient();
  rpc.socket.addEventListener('close', ({ code, reason }) => told.push({ closed: code, reason }));
  return { told, close: () => rpc.close() };
}

test(`${FAILOVERS} failovers of real nodes`, { timeout: 900_000 }, async (t) => {
  t.diagnostic(`seed ${SEED}`);
  const random = new Random(SEED);
  const fleet = await Fleet.start(3, { forgetful: true });
  const lasso = await streaming(fleet.nodes);
  t.after(async () => {
    await lasso.stop();
    await fleet.stop();
  });

  const first = fleet.height + 1;
  const subscriptions = {
    heads: await subscription(wsUrl(lasso), ['newHeads']),
    logs: await subscription(wsUrl(lasso), ['logs', { address: PING }]),
    'logs of one topic': await subscription(wsUrl(lasso), ['logs', { topics: [PING_TOPIC] }]),
  };
  const told = Object.entries(subscriptions).map(([name, { told }]) => [name, told]);
  const complete = (height) => told.every(([, events]) => events.length > height - first || events.some(({ number, blockNumber }) => !(number ?? blockNumber)));
  const expected = (name) => {
    const blocks = fleet.from(first);
    return name === 'heads' ? blocks.map(({ hash, parentHash }) => `${hash} after ${parentHash}`) : blocks.flatMap(({ logs }) => logs.map(one));
  };
  const one = (log) => `${log.blockHash} ${Number(log.logIndex)} ${log.data}${log.removed ? ' removed' : ''}`;
  const shown = (event) => {
    if (event.parentHash) return `${event.hash} after ${event.parentHash}`;
    return event.blockHash ? one(event) : event;
  };

  fleet.grow();
  await fleet.grown(2);
  const took = [];
  const counts = { kill: 0, stop: 0 };
  for (let turn = 1; turn <= FAILOVERS; turn++) {
    const kind = random.pick(['kill', 'stop']);
    counts[kind]++;
    await fleet.handOver(kind, random);
    const [height, begin] = [fleet.height, performance.now()];
    await until(`all are told of ${height} after failover ${turn} (${kind})`, () => complete(height), { limit: 40_000, every: 5 }).catch((error) => {
      const last = told.map(([name, events]) => `${name}: ${events.length} of ${height - first + 1}`);
      throw new Error(`${error.message}: ${last.join(', ')}\n${lasso.log.slice(-3000)}`);
    });
    took.push(performance.now() - begin);
    for (const [name, events] of told) {
      const right = expected(name);
      const wrong = events.findIndex((event, i) => i < right.length && shown(event) !== right[i]);
      if (wrong < 0) continue;
      // The reason of a close may follow.
      await pause(500);
      const found = JSON.stringify(events.slice(wrong, wrong + 3).map(shown));
      const log = lasso.log.split('\n').filter((line) => /"(subs\.|lasso\.upstream_websocket)/.test(line)).slice(-60).join('\n');
      assert.fail(`failover ${turn} (${kind}), ${name}: event ${wrong} is not ${right[wrong]} but ${found}\n${log}`);
    }
  }
  await fleet.rest();
  await until('all are told of everything', () => complete(fleet.height));
  for (const [name, events] of told) assert.deepEqual(events.map(shown), expected(name), name);
  took.sort((a, b) => a - b);
  t.diagnostic(
    `${FAILOVERS} failovers ${JSON.stringify(counts)}, ${fleet.height - first + 1} blocks, no gap and no duplicate in ` +
      `${told.reduce((sum, [, events]) => sum + events.length, 0)} events; until all subscribers went on: ` +
      `median ${took[took.length >> 1].toFixed()} ms, longest ${took.at(-1).toFixed()} ms`,
  );
  for (const { close } of Object.values(subscriptions)) close();
});
