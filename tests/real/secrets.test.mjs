// A key in the configuration reaches its provider and nobody else: no log, no reply, no page.

import assert from 'node:assert/strict';
import http from 'node:http';
import test from 'node:test';

import { Lasso, profile, QUICK_RECOVERY } from './lasso.mjs';
import { post, request } from './rpc.mjs';
import { freePort, until } from './wait.mjs';

const SECRETS = {
  path: 'PATHSECRETa81fc0d3',
  query: 'QUERYSECRETb92ad1e4',
  header: 'HEADERSECRETc03be2f5',
  bearer: 'BEARERSECRETd14cf306',
};

/** A provider that repeats all it was told in whatever it answers, as badly written gateways do. */
async function gossip(answer) {
  const heard = [];
  const server = http.createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const told = `http://${request.headers.host}${request.url} ${JSON.stringify(request.headers)}`;
    heard.push(told);
    answer(response, told, JSON.parse(body));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    heard,
    port: server.address().port,
    close: () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); }),
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
  'a broken connection': (response) => response.socket.destroy(),
};

const secretsIn = (text) => Object.values(SECRETS).filter((secret) => text.includes(secret));

function provider(id, port) {
  return {
    id,
    url: `http://127.0.0.1:${port}/v2/${SECRETS.path}?apikey=${SECRETS.query}`,
    more: [`api_key: ${SECRETS.bearer}`, `headers: { x-gateway-key: ${SECRETS.header} }`],
  };
}

for (const [name, answer] of Object.entries(PROVIDERS)) {
  test(`nothing leaks when the provider answers with ${name}`, async (t) => {
    const source = await gossip(answer);
    t.after(() => source.close());
    const providers = [provider('talkative', source.port), provider('absent', await freePort())];
    const router = await Lasso.start({
      profileText: profile(providers),
      settings: QUICK_RECOVERY.replace('level: info', 'level: debug').replace('sampling_rate: 0.0', 'sampling_rate: 1.0'),
    });
    let stopped;
    const stop = () => (stopped ??= router.stop());
    t.after(stop);

    const said = [];
    const ask = async (path, body, headers) => {
      const { status, headers: answered, text } = await post(`${router.base}${path}`, body, headers);
      said.push(`${status} ${JSON.stringify([...answered])} ${text}`);
    };
    for (let i = 0; i < 12; i++) {
      await ask('/rpc/dev?include_meta=body', request('eth_getBalance', [`0x${'0'.repeat(40)}`, 'latest']));
      await ask('/rpc/dev?include_meta=headers', [request('eth_blockNumber'), request('eth_gasPrice')]);
      await ask('/rpc/provider/talkative/dev', request('eth_call', [{}, 'latest']));
    }
    await ask('/rpc/provider/nobody/dev', request('eth_blockNumber'));
    for (const path of ['/api/health', '/api/chains', '/api/metrics/dev', '/api/ready', '/metrics', '/dashboard', '/']) {
      const response = await fetch(`${router.base}${path}`, { redirect: 'manual' });
      said.push(`${path} ${JSON.stringify([...response.headers])} ${await response.text()}`);
    }

    // The provider did get its credentials, so the absence below means something.
    await until('the provider was asked', () => source.heard.length > 0);
    assert.deepEqual(secretsIn(source.heard.join('\n')), Object.values(SECRETS));

    await stop();
    for (const text of said) assert.deepEqual(secretsIn(text), [], text.slice(0, 2000));
    const leaking = router.log.split('\n').filter((line) => secretsIn(line).length > 0);
    assert.deepEqual(leaking.slice(0, 3), [], 'the log holds a secret');
  });
}
