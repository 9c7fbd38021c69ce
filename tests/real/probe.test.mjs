// `lasso probe` against a real node.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';

import { CHAIN_ID, HEIGHT } from './chain.mjs';
import { Child } from './child.mjs';
import { BINARY, Home, profile } from './lasso.mjs';
import { Network } from './nodes.mjs';
import { freePort } from './wait.mjs';

/** Runs a probe to its end, with both streams apart. */
async function probe(...args) {
  const child = spawn(BINARY, ['probe', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const collect = async (stream) => (await stream.setEncoding('utf8').toArray()).join('');
  const ended = new Promise((resolve, reject) => child.once('close', resolve).once('error', reject));
  const [stdout, stderr, code] = await Promise.all([collect(child.stdout), collect(child.stderr), ended]);
  return { code, stdout, stderr };
}

/** Short waits: nobody mines while these tests run. */
const QUICK = ['--subscription-wait', '300'];

describe('lasso probe', () => {
  let network, node;
  before(async () => {
    network = await Network.start(1);
    [node] = network.nodes;
  });
  after(() => network.stop());

  test('prints one JSON document and nothing else', async () => {
    const { code, stdout, stderr } = await probe(node.url, '--output', 'json', '--level', 'full', ...QUICK);
    assert.equal(code, 0, stderr);
    assert.equal(stderr, '');
    const report = JSON.parse(stdout);
    assert.equal(report.node.chain_id, CHAIN_ID);
    assert.equal(report.node.height, HEIGHT);
    assert.match(report.node.client_version, /anvil/i);

    const verdicts = new Map(report.methods.methods.map(({ method, verdict }) => [method, verdict]));
    for (const method of [
      'eth_blockNumber', 'eth_getBlockByHash', 'eth_getTransactionReceipt', 'eth_call', 'eth_getProof',
      'eth_feeHistory', 'eth_sendRawTransaction', 'eth_getLogs', 'eth_newFilter', 'eth_subscribe',
      'eth_getBlockReceipts', 'debug_traceTransaction', 'txpool_status',
    ]) {
      assert.equal(verdicts.get(method), 'supported', method);
    }
    assert.equal(report.limits.block_range.max, HEIGHT);
    assert.equal(report.limits.archive.verdict, 'full');
    assert.equal(report.limits.batch.max, 100);
    assert.deepEqual(report.limits.block_params.map(({ supported }) => supported), Array(5).fill(true));
    assert.equal(report.websocket.connected, true);
    for (const { topic, subscribed, unsubscribed } of report.websocket.subscriptions) {
      assert.ok(subscribed && unsubscribed, topic);
    }
  });

  test('leaves the node as it was', async () => {
    const state = async () => [
      await node.call('eth_blockNumber'), await node.call('txpool_status'),
      await node.call('eth_getBlockByNumber', ['latest', true]),
    ];
    const before = await state();
    assert.equal((await probe(node.url, '--probes', 'methods', '--level', 'full')).code, 0);
    assert.deepEqual(await state(), before);
  });

  test('prints a table with its sections', async () => {
    const { code, stdout, stderr } = await probe(node.url.replace('http:', 'ws:'), ...QUICK);
    assert.equal(code, 0, stderr);
    const rule = '='.repeat(80);
    for (const section of ['METHOD SUPPORT', 'PROVIDER LIMITS', 'WEBSOCKET', 'RECOMMENDATIONS']) {
      assert.ok(stdout.includes(`\n${rule}\n${section}\n${rule}\n`), `no ${section} in:\n${stdout}`);
    }
    assert.match(stdout, /^ {2}ok +eth_chainId +[\d.]+ ms$/m);
  });

  test('recommends a block that a profile takes', async (t) => {
    const { stdout } = await probe(node.url, '--probes', 'methods,limits', '--level', 'full', '-o', 'json');
    const { recommendations } = JSON.parse(stdout);
    // What anvil does not know, such as parts of the debug namespace.
    assert.ok(recommendations.yaml.includes('        capabilities:\n'), stdout);
    const profileText = profile([{ id: 'probed', url: node.url }]) + recommendations.yaml;
    const home = await Home.create({ profileText });
    t.after(() => home.remove());
    const good = home.launch(['check']);
    assert.equal((await good.ended).code, 0, good.output);
    assert.match(good.output, /fine, 0 warnings/);
    // The check does look at the block.
    await writeFile(home.profileFile, profileText.replace('unsupported_', 'unsuported_'));
    const bad = home.launch(['check']);
    await bad.ended;
    assert.match(bad.output, /unsuported_/);
  });

  test('without a URL shows how it is used, and ends with 1', async () => {
    const { code, stdout, stderr } = await probe();
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /Usage: lasso probe <URL>/);
  });

  test('an endpoint that is not there ends it with 1', async () => {
    const { code, stdout, stderr } = await probe(`http://127.0.0.1:${await freePort()}/0123456789abcdef`);
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /refused/);
    assert.doesNotMatch(stderr, /456789/);
  });

  test('Ctrl-C ends it at once', async (t) => {
    // Takes the request and says nothing.
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const asked = once(server, 'connection').then(([socket]) => {
      t.after(() => socket.destroy());
      socket.on('error', () => {}); // It ends as it ends.
      return once(socket, 'data');
    });
    const child = new Child(BINARY, ['probe', `http://127.0.0.1:${server.address().port}`, '--timeout', '60000']);
    t.after(() => child.kill());
    await asked;
    child.signal('SIGINT');
    assert.equal((await child.ended).signal, 'SIGINT');
  });
});
