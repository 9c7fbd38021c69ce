// Makes the pictures of the README: `node tests/real/pictures.mjs FOLDER`, over a demo with some traffic.

import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { launch, openPage } from './browser.mjs';
import { Child } from './child.mjs';
import { BINARY, healthy } from './lasso.mjs';
import { smaller } from './png.mjs';
import { post, request } from './rpc.mjs';
import { freePort } from './wait.mjs';

/** A picture that is larger than this, in bytes, makes a clone of the repository heavy. */
const LARGEST = 150 * 1024;
/** So long does traffic run before the first picture, in milliseconds, so that every figure has something to show. */
const WARM_UP = 20_000;

const PAGES = {
  overview: '/dashboard/default',
  provider: '/dashboard/default?chain=ethereum&provider=shaky',
  metrics: '/dashboard/default?tab=metrics&chain=ethereum',
  streams: '/dashboard/default?tab=streams',
  decisions: '/dashboard/default?tab=decisions',
  system: '/dashboard/default?tab=system',
};
const CALLS = [
  ['eth_blockNumber', []], ['eth_gasPrice', []], ['eth_getBalance', ['0x0000000000000000000000000000000000000001', 'latest']],
  ['eth_getBlockByNumber', ['latest', false]], ['eth_getLogs', [{ fromBlock: 'latest', toBlock: 'latest' }]],
];

const folder = process.argv[2];
if (!folder) {
  console.error('usage: node tests/real/pictures.mjs FOLDER');
  process.exit(2);
}
await mkdir(folder, { recursive: true });

const port = await freePort();
const base = `http://127.0.0.1:${port}`;
const demo = new Child(BINARY, ['demo', '--listen', `127.0.0.1:${port}`]);
await healthy(demo, base);

let running = true;
const strategies = ['', 'fastest/', 'latency-weighted/'];
const traffic = Promise.all([0, 1, 2, 3].map(async (first) => {
  for (let i = first; running; i++) {
    const [method, params] = CALLS[i % CALLS.length];
    await post(`${base}/rpc/profile/default/${strategies[i % strategies.length]}ethereum`, request(method, params)).catch(() => {});
    await pause(80);
  }
}));

const browser = await launch();
const { page: viewer } = await openPage(browser, `${base}/dashboard`);
await viewer.evaluate((url) => {
  const socket = new WebSocket(url);
  socket.onopen = () => {
    for (const topic of ['newHeads', 'newPendingTransactions']) socket.send(JSON.stringify({ jsonrpc: '2.0', id: topic, method: 'eth_subscribe', params: [topic] }));
  };
}, `${base.replace('http', 'ws')}/ws/rpc/ethereum`);
await pause(WARM_UP);

for (const colorScheme of ['dark', 'light']) {
  for (const [name, address] of Object.entries(PAGES)) {
    const { page, context } = await openPage(browser, base + address, { colorScheme });
    // Charts and tables ask for their own data.
    await page.waitForLoadState('load');
    await pause(2500);
    const file = path.join(folder, `${name}-${colorScheme}.png`);
    const image = smaller(await page.screenshot({ animations: 'disabled' }));
    await writeFile(file, image);
    console.log(`${file}: ${Math.round(image.length / 1024)} KiB`);
    assert.ok(image.length < LARGEST, `${file} has ${image.length} bytes`);
    await context.close();
  }
}

running = false;
await traffic;
await browser.close();
await demo.kill();
