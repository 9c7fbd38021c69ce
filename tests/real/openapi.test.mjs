// The document at /api/openapi.json against a running router: every page, its errors too.

import assert from 'node:assert/strict';
import http from 'node:http';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { Validator } from '@seriousme/openapi-schema-validator';
import Ajv from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { WebSocketProvider } from 'ethers';

import { Child } from './child.mjs';
import { BINARY, healthy, Lasso } from './lasso.mjs';
import { request } from './rpc.mjs';
import { freePort, until } from './wait.mjs';

/** Entries of the history and of the dashboard at once, and breakers that one failure opens. */
const QUICK = {
  LASSO__HISTORY__INTERVAL_MS: '100',
  LASSO__CIRCUIT_BREAKER__CATEGORY_THRESHOLDS__SERVER_ERROR: '1',
  LASSO__DASHBOARD__HEARTBEAT_MS: '100',
  LASSO__DASHBOARD__MAX_VIEWERS: '1',
};

/** Answers that are in the document and that no test brings about. */
const NEVER = [
  '/api/explain 500', // a defect
  '/api/metrics/{chain} 500', // a defect
];

/** Of whom there is one in the demo. */
const NAMES = { chain: 'ethereum', strategy: 'fastest', provider: 'quick', profile: 'default' };

const ajv = addFormats(new Ajv({ strict: false, allErrors: true }));
const seen = new Set();
let folder;
let base;
let demo;
let document;

/** The schema at this place of the document. */
function validator(...place) {
  const pointer = place.map((part) => part.replaceAll('~', '~0').replaceAll('/', '~1')).map(encodeURIComponent).join('/');
  const id = `lasso#/${pointer}`;
  return ajv.getSchema(id) ?? ajv.compile({ $ref: id });
}

function assertValid(validate, value, what) {
  assert.ok(validate(value), `${what}: ${ajv.errorsText(validate.errors)}\n${JSON.stringify(value, null, 1)?.slice(0, 4000)}`);
}

/** What the document says of an answer, with references followed; and where that stands. */
function described(template, method, status) {
  const answer = document.paths[template]?.[method]?.responses[status];
  assert.ok(answer, `${method} ${template} is not said to answer ${status}`);
  if (!answer.$ref) return { answer, place: ['paths', template, method, 'responses', String(status)] };
  const place = answer.$ref.slice(2).split('/');
  return { answer: place.reduce((at, name) => at[name], document), place };
}

/** Holds an answer to what the document says of this page; gives its body. */
async function hold(template, response, method = 'get') {
  const what = `${response.url}: ${response.status}`;
  const { answer, place } = described(template, method, response.status);
  for (const name of Object.keys(answer.headers ?? {})) assert.ok(response.headers.get(name), `${what} has no ${name}`);
  if (method === 'get') seen.add(`${template} ${response.status}`);
  if (!answer.content) {
    assert.equal(await response.text(), '', what);
    return undefined;
  }
  const type = response.headers.get('content-type')?.split(';')[0];
  assert.ok(answer.content[type], `${what} is of the type ${type}`);
  if (type === 'text/event-stream') return response.body;
  const body = type === 'application/json' ? await response.json() : await response.text();
  assertValid(validator(...place, 'content', type, 'schema'), body, what);
  return body;
}

/** Asks a page of the demo, or of another router, and holds it to the document. */
async function page(template, status, { query = '', names = {}, at = base } = {}) {
  const path = template.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(names[name] ?? NAMES[name]));
  const response = await fetch(`${at}${path}${query}`);
  assert.equal(response.status, status, `${path}${query}: ${response.status === status ? '' : await response.clone().text()}`);
  return hold(template, response);
}

/** The messages of a stream of events, as `{ event, data }`. */
async function* messages(body) {
  let text = '';
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
      const fields = text.slice(0, end).split('\n').map((line) => /^(\w*): ?(.*)$/.exec(line)).filter((field) => field?.[1]);
      const of = (name) => fields.find((field) => field[1] === name)?.[2];
      if (of('data')) yield { event: of('event'), data: JSON.parse(of('data')) };
    }
  }
}

function post(path, body, at = base) {
  return fetch(`${at}${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
}

/** The answer to a handshake; of one that is taken there is the status alone. */
function handshake(path, key = 'AQIDBAUGBwgJCgsMDQ4PEA==') {
  const headers = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': key };
  return new Promise((resolve, reject) => {
    const asked = http.get(`${base}${path}`, { headers });
    asked.on('upgrade', (response, socket) => {
      socket.destroy();
      resolve({ status: response.statusCode });
    });
    asked.on('response', async (response) => {
      const body = Buffer.concat(await response.toArray());
      resolve(new Response(body, { status: response.statusCode, headers: response.headers }));
    });
    asked.on('error', reject);
  });
}

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'lasso-openapi-'));
  const port = await freePort();
  base = `http://127.0.0.1:${port}`;
  demo = new Child(BINARY, ['demo', '--listen', `127.0.0.1:${port}`], { env: { ...process.env, ...QUICK, TMPDIR: folder } });
  await healthy(demo, base);
  document = await (await fetch(`${base}/api/openapi.json`)).json();
  ajv.addSchema(document, 'lasso');
  // Traffic: results, errors, a batch, and a breaker that opens.
  for (const name of ['quick', 'slow']) await post(`/rpc/provider/${name}/ethereum`, JSON.stringify(request('eth_blockNumber')));
  await post('/rpc/fastest/ethereum', JSON.stringify([request('eth_gasPrice'), request('eth_chainId'), request('eth_sign')]));
  await until('the breaker of the shaky node opens', async () => {
    await post('/rpc/provider/shaky/ethereum', JSON.stringify(request('eth_gasPrice')));
    const { transitions } = await page('/api/breakers', 200);
    return transitions.some(({ provider, to }) => provider === 'shaky' && to === 'open');
  });
});

after(async () => {
  await demo?.kill();
  await rm(folder, { recursive: true, force: true });
});

describe('the document', () => {
  test('is a valid one of OpenAPI 3.1', async () => {
    const checked = new Validator();
    const { valid, errors } = await checked.validate(structuredClone(document));
    assert.ok(valid, JSON.stringify(errors, null, 1));
    assert.equal(checked.version, '3.1');
  });

  test('has schemas that are schemas, and examples that are examples of them', () => {
    for (const name of Object.keys(document.components.schemas)) validator('components', 'schemas', name);
    let examples = 0;
    const visit = (value, place) => {
      if (value === null || typeof value !== 'object') return;
      if ('schema' in value && 'example' in value) {
        examples += 1;
        assertValid(validator(...place, 'schema'), value.example, place.join(' '));
      }
      for (const [name, inner] of Object.entries(value)) if (name !== 'example') visit(inner, [...place, name]);
    };
    visit(document.paths, ['paths']);
    visit(document.components, ['components']);
    assert.ok(examples > 20, `${examples} examples`);
  });

  test('names every operation once', () => {
    const operations = Object.values(document.paths).flatMap((item) => [item.get, item.post]).filter(Boolean);
    const ids = operations.map(({ operationId }) => operationId);
    assert.equal(new Set(ids).size, ids.length, ids.join());
  });
});

describe('pages', () => {
  test('of the process and its chains', async () => {
    await page('/api/health', 200);
    await page('/api/ready', 200);
    await page('/api/chains', 200);
    await page('/api/openapi.json', 200);
    const text = await page('/metrics', 200);
    assert.match(text, /^# TYPE lasso_/m);
    const metrics = await page('/api/metrics/{chain}', 200, { query: '?profile=default' });
    assert.ok(metrics.rpc_performance_by_provider.length >= 2);
    await page('/api/metrics/{chain}', 404, { names: { chain: 'solana' } });
    await page('/api/metrics/{chain}', 404, { query: '?profile=nobody' });
    await page('/api/metrics/{chain}', 400, { query: '?profile=a&profile=b' });
  });

  test('of the past', async () => {
    // An entry is written ten times a second; a day has what a fresh process did.
    await until('the history has the calls', async () => {
      const { points } = await page('/api/series', 200, { query: '?chain=ethereum&provider=quick' });
      return points.some(({ p99_ms }) => p99_ms > 0);
    });
    const { snapshots } = await page('/api/history', 200, { query: '?chain=1' });
    assert.ok(snapshots[0].data.snapshot_data.some(({ rpc_p95_duration_ms }) => rpc_p95_duration_ms > 0));
    await page('/api/series', 400);
    await page('/api/history', 400, { query: '?from=yesterday' });
    await page('/api/breakers', 400, { query: '?until=today' });
  });

  test('of decisions', async () => {
    await page('/api/explain', 200, { query: '?chain=ethereum&method=eth_getBalance&params=["0x0000000000000000000000000000000000000000","latest"]' });
    await page('/api/explain', 200, { query: '?chain=ethereum&method=eth_chainId' });
    await page('/api/explain', 400, { query: '?chain=ethereum' });
    await page('/api/explain', 400, { query: '?chain=solana&method=eth_chainId' });
    await page('/api/explain', 404, { query: '?chain=ethereum&method=eth_chainId&profile=nobody' });
    const { requests } = await page('/api/requests', 200, { query: '?limit=200' });
    assert.ok(requests.some(({ result }) => result === 'error') && requests.some(({ batch_index: at }) => at === 1));
    await page('/api/requests', 400, { query: '?limit=1000' });
    // Each of them: results, errors, items of a batch, the router's own.
    for (const { request_id: id, batch_index: item } of requests) {
      await page('/api/requests/{id}', 200, { names: { id }, query: item === undefined ? '' : `?item=${item}` });
    }
    await page('/api/requests/{id}', 404, { names: { id: 'nothing' } });
    await page('/api/requests/{id}', 400, { names: { id: 'nothing' }, query: '?items=1' });
  });

  test('of what changes', async () => {
    // A stream to be seen.
    const subscriber = new WebSocketProvider(`${base.replace('http', 'ws')}/ws/rpc/ethereum`, 1);
    await subscriber.on('block', () => {});
    const { streams } = await until('the stream is there', async () => {
      const answer = await page('/api/streams', 200);
      return answer.streams.length > 0 && answer;
    });
    assert.equal(streams[0].topic, 'newHeads');
    await page('/api/streams', 404, { query: '?profile=nobody' });
    await page('/api/streams', 400, { query: '?chain=ethereum' });
    await page('/api/live', 404, { query: '?profile=nobody' });
    await page('/api/live', 400, { query: '?profile=default&profile=default' });

    const stop = new AbortController();
    const body = await hold('/api/live', await fetch(`${base}/api/live`, { signal: stop.signal }));
    await page('/api/live', 503);
    const schemas = { snapshot: 'LiveSnapshot', batch: 'LiveBatch', heartbeat: 'LiveHeartbeat' };
    const missing = new Set(['snapshot', 'batch', 'heartbeat', 'decision', 'block']);
    const traffic = setInterval(() => post('/rpc/ethereum', JSON.stringify(request('eth_gasPrice'))).catch(() => {}), 50);
    try {
      for await (const { event, data } of messages(body)) {
        assertValid(validator('components', 'schemas', schemas[event]), data, event);
        missing.delete(event);
        for (const { kind } of data.events ?? []) missing.delete(kind);
        if (missing.size === 0) break;
      }
    } finally {
      clearInterval(traffic);
      stop.abort();
      await subscriber.destroy();
    }
    assert.deepEqual([...missing], []);
  });

  test('of a router without upstreams and without history', async (t) => {
    const without = await Lasso.start({
      providers: [{ id: 'gone', url: `http://127.0.0.1:${await freePort()}` }],
      env: { LASSO__HISTORY__ENABLED: 'false', LASSO__SERVER__DRAIN_MS: '100' },
    });
    t.after(() => without.stop());
    const at = without.base;
    await page('/api/series', 404, { at, query: '?chain=dev' });
    await page('/api/history', 404, { at });
    await page('/api/breakers', 200, { at });
    await until('it is known that nobody can be asked', async () => (await fetch(`${at}/api/ready`)).status === 503);
    await page('/api/ready', 503, { at });
    const metrics = await page('/api/metrics/{chain}', 200, { at, names: { chain: 'dev' } });
    assert.equal(metrics.chain_performance.connected_providers, 0);
    await page('/api/explain', 200, { at, query: '?chain=dev&method=eth_gasPrice' });
  });

  test('of a router that cannot have its history', async (t) => {
    const occupied = path.join(folder, 'occupied');
    await writeFile(occupied, '');
    const locked = await Lasso.start({
      providers: [{ id: 'gone', url: `http://127.0.0.1:${await freePort()}` }],
      env: { LASSO__HISTORY__DIR: occupied },
    });
    t.after(() => locked.stop());
    await page('/api/series', 503, { at: locked.base, query: '?chain=dev' });
    await page('/api/history', 503, { at: locked.base });
  });
});

describe('calls', () => {
  const filled = (template) => template.replace(/\{(\w+)\}/g, (_, name) => NAMES[name]);

  test('over HTTP', async () => {
    const templates = Object.keys(document.paths).filter((template) => document.paths[template].post);
    assert.equal(templates.length, 6);
    const call = JSON.stringify(request('eth_blockNumber'));
    for (const template of templates) {
      const result = await hold(template, await post(filled(template), call), 'post');
      assert.match(result.result, /^0x/);
      const batch = await hold(template, await post(filled(template), `[${call},{"method":"eth_sign","id":7}]`), 'post');
      assert.deepEqual(batch.map((reply) => 'error' in reply), [false, true]);
      const notification = await post(filled(template), '{"jsonrpc":"2.0","method":"eth_gasPrice"}');
      assert.equal(notification.status, 204);
      await hold(template, notification, 'post');
      const broken = await post(filled(template), '{"method":');
      assert.equal(broken.status, 400);
      await hold(template, broken, 'post');
    }
    const nobody = await post('/rpc/profile/nobody/ethereum', call);
    assert.equal(nobody.status, 404);
    await hold('/rpc/profile/{profile}/{chain}', nobody, 'post');
    const large = await post('/rpc/ethereum', ' '.repeat(8_000_001));
    assert.equal(large.status, 413);
    await hold('/rpc/{chain}', large, 'post');
  });

  test('over WebSocket', async () => {
    const templates = Object.keys(document.paths).filter((template) => template.startsWith('/ws/'));
    assert.equal(templates.length, 6);
    for (const template of templates) {
      described(template, 'get', 101);
      assert.equal((await handshake(filled(template))).status, 101, template);
      seen.add(`${template} 101`);
      const unknown = await handshake(filled(template).replace(/ethereum$/, 'solana'));
      assert.equal(unknown.status, 404);
      await hold(template, unknown);
      const keyless = await handshake(filled(template), 'short');
      assert.equal(keyless.status, 400);
      await hold(template, keyless);
      const plain = await fetch(`${base}${filled(template)}`);
      assert.equal(plain.status, 426);
      await hold(template, plain);
    }
  });
});

// Last: it counts what the tests above have seen.
test('no page and no answer of a page is left unchecked', () => {
  const written = Object.entries(document.paths).flatMap(([template, item]) =>
    item.get ? Object.keys(item.get.responses).map((status) => `${template} ${status}`) : [],
  );
  assert.deepEqual(written.filter((answer) => !seen.has(answer)).sort(), NEVER);
});

test('the demo leaves no file behind', async () => {
  const of = async () => (await readdir(folder)).filter((name) => name.startsWith('lasso-demo-'));
  assert.equal((await of()).length, 1, 'its history, while it runs');
  demo.signal('SIGTERM');
  assert.deepEqual(await demo.ended, { code: 0, signal: null }, demo.output.slice(-2000));
  assert.deepEqual(await of(), []);
});
