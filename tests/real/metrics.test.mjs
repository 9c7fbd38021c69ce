// What Prometheus and Grafana see of a real run: a real Prometheus scrapes a router over real nodes, and answers every
// query of the shipped dashboard and of the shipped alerts.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';

import WebSocket from 'ws';

import { Child, run } from './child.mjs';
import { Lasso, profile } from './lasso.mjs';
import { Network } from './nodes.mjs';
import { post, request } from './rpc.mjs';
import { freePort, until } from './wait.mjs';

const CONFIG = path.join(import.meta.dirname, '../../config');
const ALERTS = path.join(CONFIG, 'prometheus/alerts.yml');
const DASHBOARD = path.join(CONFIG, 'grafana/lasso.json');

const SETTINGS = `
circuit_breaker: { recovery_timeout_ms: 1000, max_recovery_timeout_ms: 2000 }
probe: { tick_ms: 50, timeout_ms: 500 }
block_sync: { poll_timeout_ms: 500 }
upstream_websocket: { connect_jitter_ms: 0, handshake_timeout_ms: 500, reconnect_interval_ms: 100 }
log: { level: info, format: json, sampling_rate: 0.0 }
`;

/** Queries that this run gives nothing to show, by a part of them, and why. */
const WITHOUT_DATA = {
  lasso_failover_degraded_mode_count: 'no call finds every provider on probation and one of them free',
  lasso_stream_dropped_event_count: 'the nodes tell nothing that is not passed on',
  'decision!="admitted"': 'no breaker opens between the choice of a channel and its use',
};

/** What promtool has to say against names that the specification gives: nothing else may be wrong. */
const GIVEN_NAMES = new Set(
  [
    'rpc_request', 'failover_fast_fail', 'failover_circuit_open', 'failover_degraded_mode', 'failover_degraded_success',
    'failover_exhaustion', 'error_classification_classified', 'provider_status', 'circuit_breaker_open',
    'circuit_breaker_close', 'circuit_breaker_half_open', 'circuit_breaker_proactive_recovery', 'circuit_breaker_timeout',
    'circuit_breaker_failure', 'circuit_breaker_admit', 'websocket_connected', 'websocket_disconnected',
    'websocket_pending_cleanup', 'websocket_pending', 'stream_dropped_event', 'upstream_subscriptions_orphaned_event',
    'web_dashboard_cache',
  ].map((name) => `lasso_${name}_count`),
);
const GIVEN_COMPLAINTS = [
  'counter metrics should have "_total" suffix',
  'non-histogram and non-summary metrics should not have "_count" suffix',
];

/** Runs promtool with a text as its input; without one, with none. */
async function promtool(args, input) {
  if (input === undefined) return run('promtool', args);
  const child = new Child('promtool', args, { stdio: ['pipe', 'pipe', 'pipe'] });
  child.process.stdin.end(input);
  return { ...(await child.ended), output: child.output };
}

/** A Prometheus that scrapes one address every second. */
class Prometheus {
  static async start(target) {
    const prometheus = new Prometheus();
    prometheus.folder = await mkdtemp(path.join(tmpdir(), 'lasso-prometheus-'));
    prometheus.base = `http://127.0.0.1:${await freePort()}`;
    const config = path.join(prometheus.folder, 'prometheus.yml');
    const text = `global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: ["${ALERTS}"]
scrape_configs: [{ job_name: lasso, static_configs: [{ targets: ["${target}"] }] }]
`;
    await writeFile(config, text);
    prometheus.child = new Child('prometheus', [
      `--config.file=${config}`, `--storage.tsdb.path=${path.join(prometheus.folder, 'data')}`,
      `--web.listen-address=${new URL(prometheus.base).host}`, '--log.level=warn',
    ]);
    await until('Prometheus is ready', async () => {
      assert.equal(prometheus.child.exit, undefined, prometheus.child.output);
      return (await fetch(`${prometheus.base}/-/ready`)).ok;
    });
    return prometheus;
  }

  async api(name, parameters) {
    const response = await fetch(`${this.base}/api/v1/${name}`, { method: 'POST', body: new URLSearchParams(parameters) });
    const answer = await response.json();
    assert.equal(answer.status, 'success', `${JSON.stringify(parameters)}: ${answer.error}`);
    return answer.data;
  }

  /** The series that a query gives now. */
  async query(query) {
    return (await this.api('query', { query })).result;
  }

  async stop() {
    await this.child.kill();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A query as Grafana sends it, with everything chosen. */
const filled = (query) =>
  query.replaceAll('$__rate_interval', '1m').replaceAll('$profile', '.*').replaceAll('$chain', '.*').replaceAll('$provider', '.*');

let network, lasso, prometheus, dashboard, page;

const everyHead = [];

before(async () => {
  dashboard = JSON.parse(await readFile(DASHBOARD, 'utf8'));
  network = await Network.start(3);
  const names = ['alpha', 'beta', 'gamma'];
  const providers = network.nodes.map(({ url }, i) => ({ id: names[i], url, more: [`ws_url: "${url.replace('http', 'ws')}"`] }));
  lasso = await Lasso.start({ profileText: profile(providers), settings: SETTINGS });
  prometheus = await Prometheus.start(`127.0.0.1:${lasso.port}`);
  await makeHistory();
});

after(async () => {
  await prometheus?.stop();
  await lasso?.stop();
  await network?.stop();
});

const scraped = (query, what) =>
  until(`Prometheus has ${what ?? query}`, async () => (await prometheus.query(query)).length > 0, { limit: 30_000 });

/** A while in the life of a router: calls of all kinds, a subscription, a provider that goes and comes back, the end of all. */
async function makeHistory() {
  const socket = new WebSocket(lasso.url.replace('http', 'ws').replace('/rpc/', '/ws/rpc/'));
  await new Promise((open, failed) => socket.once('open', open).once('error', failed));
  socket.on('message', (message) => {
    const { method, params } = JSON.parse(message);
    if (method === 'eth_subscription') everyHead.push(params.result.number);
  });
  // The socket goes with the router.
  socket.on('error', () => {});
  socket.send(JSON.stringify(request('eth_subscribe', ['newHeads'])));

  const strategies = ['', 'fastest/', 'latency-weighted/', 'priority/'];
  let calls = 0;
  let running = true;
  const traffic = (async () => {
    while (running) {
      const strategy = strategies[calls++ % strategies.length];
      const url = `${lasso.base}/rpc/${strategy}dev`;
      await Promise.all([
        post(url, request('eth_blockNumber')),
        post(url, request('eth_chainId')),
        post(url, request('eth_call', [{ to: '0x00' }, 'latest'])),
        post(url, request(`eth_invented${calls}`)),
        post(`${lasso.base}/rpc/nowhere${calls}`, request('eth_blockNumber')),
      ]);
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(request('eth_gasPrice')));
      await pause(20);
    }
  })();
  try {
    await scraped('lasso_stream_streams > 0', 'a stream');
    for (let block = 0; block < 3; block++) await network.mine();
    await until('the heads are there', () => everyHead.length >= 3);
    await scraped('sum(lasso_ws_request_io_latency_count) > 0');
    const state = await network.saveState();
    const [alpha, ...others] = network.nodes;

    // A hanging node, from which a client turns away.
    network.nodes.forEach((node) => node.pause());
    const left = new AbortController();
    const given = fetch(lasso.url, {
      method: 'POST', body: JSON.stringify(request('eth_getCode', ['0x00', 'latest'])),
      headers: { 'content-type': 'application/json' }, signal: left.signal,
    });
    await until('the call waits for a node', () => lasso.home).then(() => pause(100));
    left.abort();
    await assert.rejects(given);
    network.nodes.forEach((node) => node.resume());
    await scraped('lasso_rpc_cancelled_total > 0');

    await alpha.kill();
    await scraped('lasso_circuit_breaker_state{provider_id="alpha",transport="http"} == 2', 'an open breaker');
    await scraped('lasso_websocket_link_up{provider_id="alpha"} == 0', 'a lost link');
    await alpha.restart(state);
    await scraped('lasso_circuit_breaker_close_count{provider_id="alpha"} > 0');
    await scraped('lasso_websocket_link_up{provider_id="alpha"} == 1', 'the link again');

    await Promise.all([alpha, ...others].map((node) => node.kill()));
    await scraped('lasso_chain_providers_up == 0', 'a chain that is down');
    await scraped('lasso_failover_exhaustion_count > 0');
    for (let read = 0; read < 2; read++) assert.equal((await fetch(`${lasso.base}/api/metrics/dev`)).status, 200);
    await scraped('lasso_web_dashboard_cache_count > 0');
    // Rates are made of two samples.
    const scrapes = async () => Number((await prometheus.query('sum_over_time(up[10m])'))[0].value[1]);
    const before = await scrapes();
    await until('there are two more scrapes', async () => (await scrapes()) >= before + 2);
  } finally {
    running = false;
    await traffic;
  }
  page = await fetch(`${lasso.base}/metrics`);
  page.text = await page.text();
}

test('the page is well-formed, and its names are as given', async () => {
  assert.equal(page.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  const { code, output } = await promtool(['check', 'metrics'], page.text);
  assert.ok(code === 0 || code === 3, output);
  const complaints = output.split('\n').filter((line) => line !== '');
  const others = complaints.filter((line) => {
    const [name, ...text] = line.split(' ');
    return !GIVEN_NAMES.has(name) || !GIVEN_COMPLAINTS.includes(text.join(' '));
  });
  assert.deepEqual(others, []);
});

test('no label is made of what clients write', () => {
  assert.doesNotMatch(page.text, /eth_invented|nowhere/);
  assert.match(page.text, /lasso_rpc_request_count\{profile="unknown",chain="unknown",provider_id="none",method="eth_blockNumber",/);
  assert.match(page.text, /lasso_rpc_request_count\{profile="default",chain="dev",provider_id="\w+",method="other",/);
});

test('a head request has the headers alone', async () => {
  const head = await fetch(`${lasso.base}/metrics`, { method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.ok(Number(head.headers.get('content-length')) > 10_000);
  assert.equal(await head.text(), '');
});

describe('promtool', () => {
  for (const [what, args] of [
    ['accepts the alert rules', ['check', 'rules', ALERTS]],
    ['accepts the example configuration', ['check', 'config', path.join(CONFIG, 'prometheus/prometheus.yml')]],
    ['finds that alerts fire when they should', ['test', 'rules', path.join(import.meta.dirname, 'alerts.promtool.yml')]],
  ]) {
    test(what, async () => {
      const { code, output } = await promtool(args);
      assert.equal(code, 0, output);
    });
  }
});

test('every query of the dashboard is answered, and shows something', async () => {
  const panels = dashboard.panels.filter(({ type }) => type !== 'row');
  assert.ok(panels.length > 30);
  const silent = [];
  for (const { title, targets } of panels) {
    assert.ok(targets.length > 0, `"${title}" asks for nothing`);
    for (const { expr } of targets) {
      assert.doesNotMatch(filled(expr), /\$/, `"${title}" has a variable that nobody fills in: ${expr}`);
      const series = await prometheus.query(filled(expr));
      const excuse = Object.keys(WITHOUT_DATA).find((part) => expr.includes(part));
      if (series.length === 0 && !excuse) silent.push(`${title}: ${expr}`);
    }
  }
  assert.deepEqual(silent, []);
});

test('the variables of the dashboard have values, and its annotations can be asked for', async () => {
  for (const { name, type, query } of dashboard.templating.list) {
    if (type !== 'query') continue;
    const [, selector, label] = /^label_values\((.*), (\w+)\)$/.exec(filled(query.query));
    const values = await prometheus.api(`label/${label}/values`, { 'match[]': selector }).catch(() => undefined);
    const series = values ?? (await prometheus.api('series', { 'match[]': selector })).map((one) => one[label]);
    assert.ok(series.length > 0, `no values for ${name}`);
  }
  for (const { expr } of dashboard.annotations.list) await prometheus.query(filled(expr));
});

test('every alert can be asked for, and the ones of this history are pending or fire', async () => {
  const { groups } = await (await fetch(`${prometheus.base}/api/v1/rules`)).json().then(({ data }) => data);
  const rules = groups.flatMap((group) => group.rules);
  assert.ok(rules.length > 15);
  for (const { name, query, health, lastError, annotations, labels } of rules) {
    assert.equal(health, 'ok', `${name}: ${lastError}`);
    assert.ok(annotations.summary && annotations.action && labels.severity, `${name} does not say what to do`);
    await prometheus.query(query);
  }
  const active = rules.filter(({ state }) => state !== 'inactive').map(({ name }) => name);
  for (const expected of ['LassoChainDown', 'LassoProviderDown', 'LassoUpstreamSocketDown', 'LassoFailoverExhausted']) {
    assert.ok(active.includes(expected), `${expected} is not among ${active}`);
  }
});

test('the figures can have an address of their own, and then nobody else has them', async (t) => {
  const port = await freePort();
  const settings = `metrics: { listen: "127.0.0.1:${port}" }`;
  const router = await Lasso.start({ providers: [{ id: 'alpha', url: 'http://127.0.0.1:9' }], settings });
  t.after(() => router.stop());
  const own = `http://127.0.0.1:${port}`;
  const figures = await fetch(`${own}/metrics`);
  assert.equal(figures.status, 200);
  assert.match(await figures.text(), /^lasso_build_info\{version="/m);
  assert.equal((await fetch(`${own}/metrics`, { method: 'HEAD' })).status, 200);
  assert.equal((await fetch(`${own}/metrics`, { method: 'POST' })).status, 405);
  for (const other of ['/', '/api/health', '/rpc/dev', '/metrics/more']) assert.equal((await fetch(own + other)).status, 404);
  assert.equal((await fetch(`${router.base}/metrics`)).status, 404);
});

test('the figures can be switched off', async (t) => {
  const router = await Lasso.start({ providers: [{ id: 'alpha', url: 'http://127.0.0.1:9' }], settings: 'metrics: { enabled: false }' });
  t.after(() => router.stop());
  assert.equal((await fetch(`${router.base}/metrics`)).status, 404);
});
