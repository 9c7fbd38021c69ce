// The configuration changes under load: what is known of the providers that stay is not forgotten, and the one
// that goes is asked no more.

import assert from 'node:assert/strict';
import test from 'node:test';
import { isDeepStrictEqual } from 'node:util';

import { DEPLOYER, HEIGHT, mineOne, PING, PINGS } from './chain.mjs';
import { Lasso, profile } from './lasso.mjs';
import { hex, item, Load } from './load.mjs';
import { Network } from './nodes.mjs';
import { Tap } from './tap.mjs';
import { until } from './wait.mjs';
import { Witness } from './witness.mjs';

/** The breaker stays open and the limit stays set for as long as the test runs. */
const SETTINGS = `
circuit_breaker: { recovery_timeout_ms: 600000 }
probe: { tick_ms: 50, timeout_ms: 500 }
block_sync: { poll_timeout_ms: 500 }
log: { level: info, format: json, sampling_rate: 0.0 }
`;

const TIGHT = { more: ['selection: { max_lag_blocks: 1 }'] };

/** Which providers may answer on a path, going by what is known before anything is reloaded. */
const EXPECTED = {
  '/rpc/load-balanced/dev': ['alpha', 'beta', 'epsilon', 'zeta'],
  '/rpc/fastest/dev': ['beta'],
  '/rpc/profile/tight/dev': ['alpha', 'beta', 'zeta'],
};

const REQUESTS = [
  ['eth_getBalance', [DEPLOYER, 'latest']],
  ['eth_getCode', [PING, 'latest']],
  ['eth_getLogs', [{ address: PING, fromBlock: hex(PINGS.from), toBlock: hex(PINGS.to) }]],
];

/** The exchanges of a `Load`. The id is the number of the request: it travels to the node as it is. */
async function exchanges(node, paths) {
  const results = await Promise.all(REQUESTS.map(([method, params]) => node.call(method, params)));
  return (number) => {
    const [at, id] = [number % REQUESTS.length, String(number)];
    return {
      path: paths[Math.floor(number / REQUESTS.length) % paths.length],
      body: JSON.stringify(item(id, ...REQUESTS[at])),
      allows: (reply) => isDeepStrictEqual(reply, { jsonrpc: '2.0', id, result: results[at] }),
    };
  };
}

test('a reload under load keeps breakers, limits, heights and measurements', { timeout: 120_000 }, async (t) => {
  const network = await Network.start(3);
  const [current, behind, dead] = network.nodes;
  for (const height of [1, 2, 3]) for (const node of [current, dead]) await mineOne(node, HEIGHT + height);

  const taps = {};
  const tapped = async (id, node, delay) => {
    taps[id] = await Tap.before(node);
    taps[id].delay = delay;
    return { id, url: taps[id].url };
  };
  const alpha = await tapped('alpha', current, 40);
  const beta = await tapped('beta', current, 0);
  const gamma = { id: 'gamma', url: dead.url };
  const delta = await tapped('delta', current, 40);
  const epsilon = await tapped('epsilon', behind, 40);
  const zeta = await tapped('zeta', current, 40);
  const moved = { ...(await tapped('moved', current, 40)), id: 'alpha' };

  const texts = (list) => ({ loose: profile(list), tight: profile(list, { slug: 'tight', ...TIGHT }) });
  const first = texts([alpha, gamma, delta, epsilon, zeta, beta]);
  const lasso = await Lasso.start({ profileText: first.loose, otherProfiles: { tight: first.tight }, settings: SETTINGS });
  t.after(async () => {
    await lasso.stop();
    await network.stop();
    for (const tap of Object.values(taps)) tap.stop();
  });

  const paths = Object.keys(EXPECTED);
  const expected = { ...EXPECTED };
  /** The replies that came from a provider that should have been passed by. */
  const strays = [];
  let calm = 0;
  const heard = (reply) => {
    calm++;
    if (expected[reply.path].includes(reply.provider)) return;
    calm = 0;
    strays.push(reply);
  };
  const load = new Load(lasso.base, await exchanges(current, paths), { rate: 200, heard });
  const witness = new Witness(lasso);
  const told = (name, provider) => until(`the log tells of ${name}`, () => witness.first(name, provider, 0));

  await t.test('one breaker opens, one provider asks for less, one is behind, one is the fastest', async () => {
    await until('all serve', () => ['alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta'].every((id) => load.servedBy(id) > 5));
    await dead.kill();
    await told('lasso.circuit_breaker.open', 'gamma');
    taps.delta.refusals = 1;
    await told('lasso.upstream_rate_limit.limited', 'delta');
    await until('every reply comes from where it should', () => calm > 200);
  });

  const [calmSince, eventsSince] = [load.sent, witness.events.length];
  /** Sends a good deal more, and checks that nothing was forgotten from before the first change until now. */
  const remembers = async () => {
    const { sent } = load;
    await until('more replies', () => load.answered > sent + 300);
    assert.deepEqual(strays.filter(({ number }) => number >= calmSince).slice(0, 5), []);
    const news = witness.events.slice(eventsSince).map(({ name, provider }) => `${name} ${provider}`);
    assert.deepEqual(news.filter((line) => /failover|circuit_breaker|rate_limit/.test(line)), []);
  };
  /** Puts a changed profile in force; the number of the first request that was certainly sent after that. */
  const change = async (text, slug) => {
    const before = witness.count('lasso.config.reloaded');
    await lasso.home.replaceProfile(text, slug);
    await until('the change is in force', () => witness.count('lasso.config.reloaded') > before);
    return load.sent;
  };
  const arrivals = (id, since) => taps[id].ids.filter((number) => Number(number) >= since).length;

  await t.test('after a profile was added, which knows the same at once', async () => {
    const path = '/rpc/profile/added/dev';
    await change(profile([epsilon, delta, gamma, beta], { slug: 'added', ...TIGHT }), 'added');
    expected[path] = ['beta'];
    paths.push(path);
    await remembers();
    assert.notEqual(load.youngestServedBy('beta', path), 0);
  });

  await t.test('after a provider moved: its old address is asked no more', async () => {
    const next = texts([moved, gamma, delta, epsilon, zeta, beta]);
    await change(next.tight, 'tight');
    const since = await change(next.loose);
    await remembers();
    assert.equal(arrivals('alpha', since), 0);
    assert.notEqual(arrivals('moved', since), 0);
  });

  await t.test('after a provider was removed: it is asked no more', async () => {
    const next = texts([moved, gamma, delta, epsilon, beta]);
    await change(next.tight, 'tight');
    const since = await change(next.loose);
    await remembers();
    assert.equal(arrivals('zeta', since), 0);
    for (const id of ['moved', 'beta', 'epsilon']) assert.notEqual(arrivals(id, since), 0, id);
  });

  await t.test('no error, no wrong answer, nothing unanswered', async () => {
    t.diagnostic(await load.stop());
    assert.deepEqual(load.errors.slice(0, 5), []);
    assert.deepEqual(load.wrong.slice(0, 5), []);
    assert.equal(load.answered, load.sent);
  });
});
