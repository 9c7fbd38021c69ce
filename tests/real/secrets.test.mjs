// A key in the configuration reaches its provider and nobody else: no log, no reply, no page.

import assert from 'node:assert/strict';
import http from 'node:http';
import test from 'node:test';

import { WebSocket, WebSocketServer } from 'ws';

import { Home, Lasso, profile, QUICK_RECOVERY } from './lasso.mjs';
import { post, request } from './rpc.mjs';
import { freePort, until } from './wait.mjs';

// One for each place in which a provider can be given a secret.
const SECRETS = {
  user: 'USERSECRET01a81fc0d3',
  password: 'PASSWORDSECRET02b92ad1e4',
  path: 'PATHSECRET03c03be2f5',
  query: 'QUERYSECRET04d14cf306',
  unnamed: 'UNNAMEDSECRET05e25d0417',
  socketPath: 'SOCKETPATHSECRET06f36e1528',
  socketQuery: 'SOCKETQUERYSECRET07a47f2639',
  header: 'HEADERSECRET08b5803740',
  auth: 'AUTHSECRET09c6914851',
  // Comes out of the environment.
  bearer: 'BEARERSECRET10d7a25962',
  credentials: 'CREDENTIALSSECRET11e8b36a73',
};
// Names and passwords travel like this.
const FORMS = [
  ...Object.values(SECRETS),
  Buffer.from(`${SECRETS.user}:${SECRETS.password}`).toString('base64'),
];
/** What a provider hears of them over HTTP, and in the handshake of its socket. */
const SENT = ['path', 'query', 'unnamed', 'header', 'auth', 'bearer'];
const SENT_TO_SOCKET = ['socketPath', 'socketQuery', 'header', 'auth', 'bearer'];

const formsIn = (text) => FORMS.filter((secret) => text.includes(secret));
const namesIn = (text) => Object.keys(SECRETS).filter((name) => text.includes(SECRETS[name]));

/** A provider that repeats all it was told in whatever it answers, as badly written gateways do. */
async function gossip(answer) {
  const heard = { requests: [], handshakes: [] };
  const tell = (request) => `http://${request.headers.host}${request.url} ${JSON.stringify(request.headers)}`;
  const server = http.createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    heard.requests.push(tell(request));
    answer(response, tell(request), JSON.parse(body));
  });
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket, request) => {
    const told = tell(request);
    heard.handshakes.push(told);
    socket.on('message', (message) => {
      const { id } = JSON.parse(message);
      socket.send(JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32000, message: `no: ${told}`, data: told } }));
      socket.close(4001, `${SECRETS.socketPath} ${SECRETS.auth} ${SECRETS.bearer}`);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    heard,
    port: server.address().port,
    close: () => new Promise((resolve) => { sockets.close(); server.close(resolve); server.closeAllConnections(); }),
  };
}

const PROVIDERS = {
  'an error page': (response, told) => response.writeHead(500, { 'content-type': 'text/html' }).end(`<h1>${told}</h1>`),
  'a refusal': (response, told) => response.writeHead(401, { 'content-type': 'text/plain' }).end(`bad key in ${told}`),
  'a quota': (response, told) =>
    response.writeHead(429, { 'content-type': 'application/json' }).end(JSON.stringify({ status: 429, body: told })),
  'broken JSON': (response, told) => response.writeHead(200, { 'content-type': 'application/json' }).end(`{"result": ${told}`),
  'a redirect': (response, told) => response.writeHead(302, { location: told.split(' ')[0] }).end(),
  'an error that quotes its own URL': (response, told, body) =>
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ jsonrpc: '2.0', id: body.id, error: { code: -32000, message: `no answer from ${told.split(' ')[0]}` } })),
  'an error that quotes its headers': (response, told, body) =>
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ jsonrpc: '2.0', id: body.id, error: { code: 3, message: told, data: { told: [told] } } })),
  'a broken connection': (response) => response.socket.destroy(),
};

function provider(id, port, scheme = 'http') {
  const login = `${SECRETS.user}:${SECRETS.password}@`;
  return {
    id,
    url: `${scheme}://${login}127.0.0.1:${port}/v2/${SECRETS.path}?apikey=${SECRETS.query}&x=${SECRETS.unnamed}`,
    more: [
      `ws_url: "ws://127.0.0.1:${port}/ws/${SECRETS.socketPath}?token=${SECRETS.socketQuery}"`,
      'api_key: ${SECRETS_TEST_KEY}',
      `headers: { x-gateway-key: ${SECRETS.header} }`,
      `auth_headers: [[x-gateway-token, ${SECRETS.auth}]]`,
      `credentials: { account: ${SECRETS.credentials} }`,
    ],
  };
}
const env = { SECRETS_TEST_KEY: SECRETS.bearer };

/** Pages beside those of the API. */
const OTHER_PAGES = ['/', '/dashboard', '/dashboard/default'];
/** What pages of the API need to be asked for. */
const ARGUMENTS = {
  '/api/metrics/{chain}': '/api/metrics/dev',
  '/api/series': '/api/series?chain=dev',
  '/api/requests': '/api/requests?limit=200',
  '/api/explain': '/api/explain?chain=dev&method=eth_call',
};

/** All pages, as the process itself lists them; those of single requests are not among them. */
async function pages(base) {
  const { paths } = await (await fetch(`${base}/api/openapi.json`)).json();
  const api = Object.keys(paths).filter((path) => !/^\/(ws\/)?rpc\/|\{id\}/.test(path));
  return [...OTHER_PAGES, ...api.map((path) => ARGUMENTS[path] ?? path)];
}

/** A page with its headers; of one without an end the first few messages. */
async function fetched(base, path) {
  const response = await fetch(`${base}${path}`, { redirect: 'manual', signal: AbortSignal.timeout(20_000) });
  let text = '';
  if (/event-stream/.test(response.headers.get('content-type') ?? '')) {
    const decoder = new TextDecoder();
    for await (const chunk of response.body) {
      text += decoder.decode(chunk, { stream: true });
      if ((text.match(/^data:/gm) ?? []).length >= 3) break;
    }
  } else {
    text = await response.text();
  }
  return `${path} ${response.status} ${JSON.stringify([...response.headers])} ${text}`;
}

/** What a client of a WebSocket is told until it is closed, or has asked everything. */
async function socketSays(url, messages) {
  const said = [];
  const socket = new WebSocket(url);
  const ended = new Promise((resolve) => {
    socket.on('close', (code, reason) => { said.push(`${code} ${reason}`); resolve(); });
    socket.on('unexpected-response', async (_, response) => {
      for await (const chunk of response) said.push(`${response.statusCode} ${chunk}`);
      resolve();
    });
    socket.on('error', (error) => { said.push(`${error}`); resolve(); });
  });
  socket.on('open', () => messages.forEach((message) => socket.send(JSON.stringify(message))));
  socket.on('message', (message) => {
    said.push(`${message}`);
    if (said.length >= messages.length) socket.close();
  });
  await ended;
  return said;
}

for (const [turn, [name, answer]] of Object.entries(PROVIDERS).entries()) {
  const format = turn % 2 === 0 ? 'json' : 'text';
  test(`nothing leaks when the provider answers with ${name}, log as ${format}`, async (t) => {
    const source = await gossip(answer);
    t.after(() => source.close());
    const providers = [provider('talkative', source.port), provider('absent', await freePort())];
    const log = `log: { level: trace, format: ${format}, sampling_rate: 1.0 }`;
    const router = await Lasso.start({
      profileText: profile(providers),
      settings: `${QUICK_RECOVERY.replace(/log: .*/, log)}
upstream_websocket: { connect_jitter_ms: 0 }
websocket: { item_deadline_ms: 1500 }
`,
      env,
    });
    let stopped;
    const stop = () => (stopped ??= router.stop());
    t.after(stop);

    const said = [];
    const ids = [];
    const ask = async (path, body, headers) => {
      const { status, headers: answered, text } = await post(`${router.base}${path}`, body, headers);
      ids.push(answered.get('x-request-id'));
      said.push(`${status} ${JSON.stringify([...answered])} ${text}`);
    };
    for (let i = 0; i < 12; i++) {
      await ask('/rpc/dev?include_meta=body', request('eth_getBalance', [`0x${'0'.repeat(40)}`, 'latest']));
      await ask('/rpc/dev?include_meta=headers', [request('eth_blockNumber'), request('eth_gasPrice')]);
      await ask('/rpc/provider/talkative/dev', request('eth_call', [{}, 'latest']));
    }
    await ask('/rpc/provider/nobody/dev', request('eth_blockNumber'));
    await until('the socket was opened', () => source.heard.handshakes.length > 0);
    await ask('/rpc/dev?transport=ws&include_meta=body', request('eth_gasPrice'));
    const base = router.base.replace('http', 'ws');
    said.push(
      ...(await socketSays(`${base}/ws/rpc/dev`, [
        { ...request('eth_gasPrice'), lasso_meta: 'notify' },
        request('eth_subscribe', ['newHeads']),
        request('eth_subscribe', ['logs', {}]),
        request('eth_accounts'),
      ])),
      ...(await socketSays(`${base}/ws/rpc/nowhere`, [])),
    );
    const known = await pages(router.base);
    for (const path of [...known, ...ids.map((id) => `/api/requests/${id}`)]) {
      said.push(await fetched(router.base, path));
    }
    for (const path of known.filter((path) => !['/', '/api/ready'].includes(path))) {
      assert.ok(said.some((text) => text.startsWith(`${path} 200 `)), `${path} is there to be searched`);
    }
    const found = said.filter((text) => text.startsWith('/api/requests/') && text.includes('"attempts"'));
    assert.equal(found.length, ids.length, 'the page of every request was searched');

    // The provider did get its credentials, so the absence below means something.
    assert.deepEqual(namesIn(source.heard.requests.join('\n')).filter((it) => SENT.includes(it)), SENT);
    assert.deepEqual(namesIn(source.heard.handshakes.join('\n')).filter((it) => SENT_TO_SOCKET.includes(it)), SENT_TO_SOCKET);

    await stop();
    for (const text of said) assert.deepEqual(formsIn(text), [], text.slice(0, 2000));
    assert.match(router.log, /rpc\.request\.completed/);
    const leaking = router.log.split('\n').filter((line) => formsIn(line).length > 0);
    assert.deepEqual(leaking.slice(0, 3), [], 'the log holds a secret');
  });
}

test('a check of the configuration names what is wrong and quotes no secret', async (t) => {
  const strange = { ...provider('strange', 1), more: [...provider('strange', 1).more, 'colour: red'] };
  for (const [what, providers, code, environment] of [
    ['a warning', [strange], 0, env],
    ['a variable that is not set', [strange], 1, {}],
    ['a scheme that is not served', [provider('odd', 1, 'ftp')], 1, env],
    ['two of one name', [strange, strange], 1, env],
    ['a port that is none', [provider('odd', 'x1')], 1, env],
  ]) {
    const home = await Home.create({ profileText: profile(providers) });
    t.after(() => home.remove());
    const child = home.launch(['check'], { env: environment });
    const exit = await child.ended;
    assert.deepEqual([what, exit.code], [what, code], child.output);
    assert.match(child.output, /default\.yml:\d+/, what);
    assert.deepEqual([what, formsIn(child.output)], [what, []], child.output);
  }
});
