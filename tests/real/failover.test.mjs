// Nodes die, hang and come back under a steady load; the clients must not notice.

import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as keepLoading } from 'node:timers/promises';

import { Lasso, providers } from './lasso.mjs';
import { knownAnswers, Load } from './load.mjs';
import { Network } from './nodes.mjs';
import { until } from './wait.mjs';

const RATE = 500;
const SECONDS = 40;

/** What a node does wrong, and how it comes back. */
const FAULTS = {
  'is killed and started again': {
    begin: (node) => node.kill(),
    end: (node, state) => node.restart(state),
  },
  'hangs and goes on': {
    begin: (node) => node.pause(),
    end: (node) => node.resume(),
  },
};

const ROUND = [
  ['alpha', 'is killed and started again'],
  ['beta', 'hangs and goes on'],
  ['beta', 'is killed and started again'],
  ['gamma', 'is killed and started again'],
  ['alpha', 'hangs and goes on'],
];

test(`no client sees an error while nodes fail in turn under ${RATE} requests a second`, { timeout: 180_000 }, async (t) => {
  const network = await Network.start(3);
  const state = await network.saveState();
  const answers = await knownAnswers(network.nodes[0]);
  const listed = providers(network.nodes);
  const lasso = await Lasso.start({ providers: listed });
  t.after(async () => {
    await lasso.stop();
    await network.stop();
  });

  const load = new Load(lasso.url, answers, { rate: RATE });
  const serves = (id) => {
    const before = load.servedBy(id);
    return until(`${id} serves`, () => load.servedBy(id) > before + 20);
  };

  const instances = new Map();
  await t.test('every provider takes part', () => Promise.all(listed.map(({ id }) => serves(id))));

  for (const [id, fault] of ROUND) {
    await t.test(`${id} ${fault}`, async () => {
      const node = network.nodes[listed.findIndex((provider) => provider.id === id)];
      const logged = lasso.log.length;
      const news = (event) => lasso.events(logged).find((line) => line.event === event);

      await FAULTS[fault].begin(node);
      try {
        const failover = await until('the log tells of a failover', () => news('lasso.failover.fast_fail'));
        assert.equal(failover.provider_id, id);
        const opened = await until('the log tells of a breaker that opened', () => news('lasso.circuit_breaker.open'));
        // Breakers go by instance: the same one for the same node, another one for another.
        for (const [provider, instance] of instances) {
          assert.equal(opened.instance_id === instance, provider === id, `${opened.instance_id} opened for ${id}`);
        }
        instances.set(id, opened.instance_id);
        await keepLoading(2_500);
      } finally {
        await FAULTS[fault].end(node, state);
      }
      await serves(id);
      await keepLoading(1_000);
    });
  }

  await t.test('no error, no wrong answer, nothing unanswered', async () => {
    await keepLoading(Math.max(0, SECONDS - load.seconds) * 1000);
    t.diagnostic(await load.stop());
    assert.deepEqual(load.errors.slice(0, 5), []);
    assert.deepEqual(load.wrong.slice(0, 5), []);
    assert.equal(load.answered, load.sent);
    assert.ok(load.sent > SECONDS * RATE * 0.95, `only ${load.sent} requests left: the load was not what it claims`);
  });
});
