// The pages behind the other tabs of the dashboard, in a real browser over real nodes: metrics, streams, decisions,
// system, and the request tester.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';

import { accessible, launch, openPage, picture } from './browser.mjs';
import { Lasso, profile } from './lasso.mjs';
import { Network } from './nodes.mjs';
import { post, request } from './rpc.mjs';
import { until } from './wait.mjs';

const SETTINGS = `
circuit_breaker: { recovery_timeout_ms: 1000, max_recovery_timeout_ms: 1000 }
probe: { tick_ms: 50, timeout_ms: 500 }
block_sync: { poll_timeout_ms: 500 }
upstream_websocket: { connect_jitter_ms: 0, reconnect_interval_ms: 100 }
history: { enabled: true, interval_ms: 500 }
log: { level: info, format: json, sampling_rate: 0.0 }
`;
const NAMES = ['alpha', 'beta', 'gamma'];
const TABS = ['metrics', 'streams', 'decisions', 'system'];

let [network, lasso, browser, broken] = [];

/** A node that answers one method with status 500, and all others as `node` does. */
async function faulty(node, method) {
  const server = http.createServer(async (incoming, outgoing) => {
    const body = await text(incoming);
    if (body.includes(method)) return outgoing.writeHead(500).end();
    const answer = await fetch(node.url, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
    outgoing.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return server;
}

before(async () => {
  [network, browser] = await Promise.all([Network.start(3), launch()]);
  const providers = network.nodes.map((node, i) => ({
    id: NAMES[i], url: node.url, more: [`ws_url: "${node.url.replace('http', 'ws')}"`],
  }));
  const limited = profile(providers.slice(0, 2).map(({ id, url }) => ({ id, url })), { slug: 'limited' })
    .replace('name: Real nodes', 'name: Limited').replace('rps_limit: 1000000', 'rps_limit: 20');
  broken = await faulty(network.nodes[0], 'eth_gasPrice');
  const failing = profile([
    { id: 'broken', url: `http://127.0.0.1:${broken.address().port}`, more: ['priority: 1'] },
    { id: 'alpha', url: network.nodes[0].url, more: ['priority: 2'] },
  ], { slug: 'faulty' }).replace('name: Real nodes', 'name: Faulty');
  lasso = await Lasso.start({ profileText: profile(providers), otherProfiles: { limited, faulty: failing }, settings: SETTINGS });
});

after(async () => {
  await browser?.close();
  await lasso?.stop();
  broken?.close();
  await network?.stop();
});

/** A page of the dashboard that is closed with the test, and held to no fault but the `expected` ones. */
async function open(t, place, { expected = [], ...options } = {}) {
  const { page, context, faults } = await openPage(browser, `${lasso.base}/dashboard${place}`, options);
  t.after(async () => {
    await picture(page, `views-${t.fullName.replaceAll(/[^a-z0-9]+/gi, '-').slice(0, 80)}`);
    await context.close();
    assert.deepEqual(faults.filter((fault) => !expected.some((one) => fault.includes(one))), []);
  });
  return page;
}

/** Sends this and gives the id of the request. */
async function sent(body, url = lasso.url) {
  const { headers } = await post(url, body, { 'x-lasso-include-meta': 'headers' });
  return headers.get('x-lasso-request-id');
}

/** Calls that some provider answers, and their ids. */
async function calls(count, method = 'eth_gasPrice', url = lasso.url) {
  const ids = [];
  for (let i = 0; i < count; i++) ids.push(await sent(request(method), url));
  return ids;
}

const number = async (locator) => Number((await locator.innerText()).replaceAll(/[^\d.]/g, '') || 0);
const section = (page, name) => page.locator(`[data-section="${name}"]`);
const points = (locator) => locator.locator('.chart-plot').first().getAttribute('data-points').then(Number);

describe('metrics', () => {
  test('a profile that nobody has called says so, and where figures come from', async (t) => {
    const page = await open(t, '/limited?tab=metrics');
    await page.getByText('No calls in the last 24 hours').waitFor();
    await page.getByText('Last updated').waitFor();
    assert.equal(await section(page, 'providers').isVisible(), false);
    assert.equal(await section(page, 'breakers').isVisible(), true, 'breakers are there without a call');
  });

  test('providers are compared, and can be sorted', async (t) => {
    await calls(30);
    const page = await open(t, '?tab=metrics');
    const table = section(page, 'providers').getByRole('table');
    await table.locator('tbody tr').nth(2).waitFor();
    assert.deepEqual(await table.locator('thead th').allInnerTexts(),
      ['Rank', 'Provider', 'Avg Latency ↑', 'P50', 'P95', 'P99', 'P99/P50', 'Success Rate', 'Total Calls'].map((text) => text.replace(' ↑', '')));
    const column = (i) => table.locator(`tbody tr > :nth-child(${i})`).allInnerTexts();
    assert.deepEqual(await column(1), ['1', '2', '3'], 'ranked by average latency');
    assert.deepEqual((await column(2)).map((name) => name.trim()).sort(), NAMES);
    for (const text of await column(3)) assert.match(text, /^[\d.]+ m?s$/);
    assert.equal((await column(9)).reduce((sum, text) => sum + Number(text), 0) >= 30, true);
    assert.deepEqual(await table.locator('tbody [data-tone=good]', { hasText: '100 %' }).count(), 3);

    await table.getByRole('button', { name: 'Provider' }).click();
    assert.deepEqual((await column(2)).map((name) => name.trim()), NAMES);
    assert.equal(await table.locator('th[aria-sort=ascending]').innerText(), 'Provider');
    await table.getByRole('button', { name: 'Provider' }).click();
    assert.deepEqual((await column(2)).map((name) => name.trim()), NAMES.toReversed());

    const nodes = page.getByRole('group', { name: 'Node' });
    assert.deepEqual(await nodes.getByRole('button').allInnerTexts(), ['All nodes (1)', 'local']);
    await nodes.getByRole('button', { name: 'local' }).click();
    await table.locator('tbody tr').nth(2).waitFor();
    await page.getByRole('group', { name: 'Chain' }).getByRole('button', { name: 'dev 31337' }).click();

    const card = page.locator('[data-method="eth_gasPrice"]');
    assert.equal(await card.locator('tbody tr').count(), 3);
    await table.getByRole('button', { name: 'alpha' }).click();
    await page.waitForURL(/chain=dev&provider=alpha/);
  });

  test('latency over time has points, selectors, a read-out by pointer and keyboard, and a table', async (t) => {
    await calls(20);
    const page = await open(t, '?tab=metrics');
    const part = section(page, 'latency');
    await until('the history has points', async () => {
      if ((await part.isVisible()) && (await points(part)) > 0) return true;
      await page.getByRole('button', { name: 'Refresh' }).click();
      return false;
    }, { every: 300 });

    await part.getByLabel('Method').selectOption('eth_gasPrice');
    await part.getByRole('button', { name: '24 h' }).click();
    assert.equal(await part.getByRole('button', { name: '24 h' }).getAttribute('aria-pressed'), 'true');
    await part.getByRole('button', { name: '1 h', exact: true }).click();
    await part.getByRole('button', { name: 'Log' }).click();
    await part.getByRole('button', { name: 'p99' }).click();
    await until('lines of all providers', async () => (await part.locator('.chart-legend').innerText()).includes('gamma'));
    await part.getByLabel('Transport').selectOption('http');
    await until('one transport is left', async () => !/ws/.test(await part.locator('.chart-legend').innerText()));
    await part.getByLabel('Provider').selectOption('alpha');
    await until('three lines of one provider', async () => /p50 · \w+[\s\S]*p99/.test(await part.locator('.chart-legend').innerText()));
    assert.equal(await part.getByRole('group', { name: 'Percentile' }).isVisible(), false);

    const plot = page.getByRole('slider', { name: 'Latency over time' });
    await plot.hover();
    const tip = plot.locator('.readout');
    await tip.waitFor();
    assert.match(await tip.innerText(), /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[\s\S]*p99 · \w+\s+[\d.]+ m?s/);
    await page.mouse.move(0, 0);
    await tip.waitFor({ state: 'hidden' });
    await plot.focus();
    await page.keyboard.press('End');
    await tip.waitFor();
    assert.match(await plot.getAttribute('aria-valuetext'), /p50 · \w+ [\d.]+ m?s/);
    await page.keyboard.press('Escape');
    await tip.waitFor({ state: 'hidden' });
    await part.getByText('Data table').first().click();
    await part.locator('.chart-table').first().getByRole('columnheader', { name: /p50/ }).first().waitFor();
    assert.ok((await points(part.locator('.chart-box').nth(1))) > 0, 'calls over time');
  });

  test('an open breaker moves its provider to the other table and onto the time line', async (t) => {
    await calls(10);
    const page = await open(t, '?tab=metrics');
    await section(page, 'providers').locator('[data-provider=gamma]').waitFor();
    assert.equal(await section(page, 'circuit-open').isVisible(), false);
    const state = await network.saveState(network.nodes[2]);
    await network.nodes[2].kill();
    await section(page, 'circuit-open').locator('[data-provider=gamma]').waitFor();
    assert.equal(await section(page, 'providers').locator('[data-provider=gamma]').count(), 0);
    assert.equal(await section(page, 'circuit-open').locator('thead th').first().innerText(), 'Provider', 'no rank');
    const breakers = section(page, 'breakers');
    await until('the time line shows the change', async () => (await points(breakers)) > 0);
    await breakers.locator('rect.open').first().waitFor({ state: 'attached' });
    const plot = page.getByRole('slider', { name: 'Circuit breakers over time' });
    await plot.focus();
    await page.keyboard.press('Home');
    assert.match(await plot.getAttribute('aria-valuetext'), /gamma · (http|ws): change Closed → Open, reason /);
    await breakers.getByRole('button', { name: '6 h' }).click();
    await until('the change is still there', async () => (await points(breakers)) > 0);
    await breakers.getByText('Data table').click();
    await breakers.locator('.chart-table tr', { hasText: /gamma(http|ws)Closed ?Open/ }).first().waitFor();
    await network.nodes[2].restart(state);
    await section(page, 'providers').locator('[data-provider=gamma]').waitFor({ timeout: 20_000 });
  });
});

describe('streams', () => {
  test('a subscription is seen with its last block, and goes', async (t) => {
    const page = await open(t, '?tab=streams');
    await page.getByText('Nobody is subscribed').waitFor();
    await page.evaluate((subscribe) => {
      globalThis.heard = [];
      globalThis.socket = new WebSocket(`ws://${location.host}/ws/rpc/dev`);
      socket.onopen = () => socket.send(JSON.stringify(subscribe));
      socket.onmessage = ({ data }) => heard.push(JSON.parse(data).method);
    }, request('eth_subscribe', ['newHeads']));
    const row = section(page, 'streams').locator('tbody tr');
    await row.locator('.pill', { hasText: 'Live' }).waitFor();
    assert.match(await row.innerText(), /dev\s+newHeads\s+–\s+(alpha|beta|gamma)\s+1\s/);
    await page.locator('[data-event=stream][data-change=subscribed]').first().waitFor();

    await network.mine();
    await until('the block is pushed', () => page.evaluate(() => heard.includes('eth_subscription')));
    await until('and seen', async () => (await row.innerText()).includes(new Intl.NumberFormat('en-GB').format(network.height)));
    assert.equal(await number(page.locator('[data-figure=subscribers] b')), 1);
    await page.evaluate(() => socket.close());
    await until('nobody is subscribed any more', async () => (await row.count()) === 0 || (await number(page.locator('[data-figure=subscribers] b'))) === 0);
  });
});

describe('decisions', () => {
  test('requests appear as they come, and stand still when asked to', async (t) => {
    const page = await open(t, '?tab=decisions');
    const rows = section(page, 'recent').locator('tbody tr');
    const [id] = await calls(1, 'eth_maxPriorityFeePerGas');
    await page.locator(`tr[data-request="${id}"]`).waitFor();
    assert.match(await rows.first().innerText(), /eth_maxPriorityFeePerGas\s+dev\s+(alpha|beta|gamma)\s*(http|ws)/);

    await page.getByRole('button', { name: 'Live' }).click();
    const [held] = await calls(1);
    await page.getByText(/\d+ new/).waitFor();
    assert.equal(await page.locator(`tr[data-request="${held}"]`).count(), 0);
    await page.getByRole('button', { name: 'Live' }).click();
    await page.locator(`tr[data-request="${held}"]`).waitFor();
  });

  test('filters leave what they say', async (t) => {
    await calls(3);
    const failed = await sent(request('eth_call', [{ data: '0xfe' }, 'nonsense']));
    const page = await open(t, '?tab=decisions');
    const part = section(page, 'recent');
    const cells = (i) => part.locator(`tbody tr > :nth-child(${i})`).allInnerTexts();
    await part.getByLabel('Result').selectOption('error');
    await part.locator(`tr[data-request="${failed}"]`).waitFor();
    await until('only errors are left', async () => (await cells(5)).every((text) => text.startsWith('Error')));
    await part.getByLabel('Result').selectOption('');
    await part.getByLabel('Method').fill('eth_gasPrice');
    await page.keyboard.press('Enter');
    await until('one method is left', async () => (await cells(2)).length > 0 && (await cells(2)).every((text) => text === 'eth_gasPrice'));
    await part.getByLabel('Chain').selectOption('dev');
    await part.getByLabel('From').selectOption('client');
    await part.getByLabel('Provider').selectOption('beta');
    await until('one provider is left', async () => (await cells(4)).every((text) => text.startsWith('beta')));
    await part.getByLabel('Method').fill('eth_nothing');
    await page.keyboard.press('Enter');
    await part.getByText('No request matches').waitFor();
  });

  test('one request says why it went where it went', async (t) => {
    const [id] = await calls(1);
    const page = await open(t, '?tab=decisions');
    await page.locator(`tr[data-request="${id}"] a`).click();
    await page.waitForURL((url) => url.searchParams.get('request') === id);
    await page.getByRole('heading', { level: 1, name: 'eth_gasPrice' }).waitFor();
    const answered = await section(page, 'attempts').locator('li').last().innerText();
    assert.match(answered, /^1\. (alpha|beta|gamma)\s*(http|ws)\s+[\d.]+ m?s\s+Answered$/);
    assert.match(await page.locator('[data-why]').innerText(), /^(alpha|beta|gamma) over (HTTP|WebSocket) comes first because it is first by Load Balanced/);
    assert.equal(await section(page, 'why').locator('tbody tr').count(), 6, 'three providers, two transports');
    const [whole, upstream] = await Promise.all(['end-to-end', 'upstream'].map((name) => page.locator(`[data-figure=${name}] b`).innerText()));
    assert.match(whole, /m?s$/);
    assert.match(upstream, /m?s$/);
    await page.getByRole('button', { name: 'Copy the request id' }).click();
    await page.getByText('Copied!').waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), id);
    await page.getByRole('button', { name: 'All requests' }).click();
    await page.locator(`tr[data-request="${id}"]`).waitFor();
    await page.goBack();
    await page.getByRole('heading', { level: 1, name: 'eth_gasPrice' }).waitFor();
  });

  test('a failed attempt stands before the one that answered', async (t) => {
    const id = await sent(request('eth_gasPrice'), `${lasso.base}/rpc/profile/faulty/priority/dev`);
    const page = await open(t, `/faulty?tab=decisions&request=${id}`);
    const attempts = section(page, 'attempts').locator('li');
    await attempts.nth(1).waitFor();
    assert.match(await attempts.first().innerText(), /^1\. broken\s*http[\s\S]*Service failure\s*Server error$/);
    assert.match(await attempts.last().innerText(), /^2\. alpha\s*http[\s\S]*Answered$/);
    assert.match(await section(page, 'why').locator('[data-candidate="broken/http"]').innerText(), /^1\s+broken\s*http[\s\S]*Service failure/);
  });

  test('an item of a batch is found beside the others', async (t) => {
    const id = (await post(lasso.url, [request('eth_gasPrice'), request('eth_blockNumber')])).headers.get('x-request-id');
    const page = await open(t, `?tab=decisions&request=${id}`);
    await page.getByRole('heading', { level: 1, name: 'eth_gasPrice' }).waitFor();
    await page.getByLabel('Item of the batch').selectOption({ label: '2: eth_blockNumber' });
    await page.getByRole('heading', { level: 1, name: 'eth_blockNumber' }).waitFor();
  });

  test('a request that is not known says so', async (t) => {
    const page = await open(t, '?tab=decisions&request=never-sent', { expected: ['/api/requests/never-sent', '404'] });
    await page.getByText('No such request').waitFor();
    await page.getByRole('button', { name: 'All requests' }).click();
    await section(page, 'recent').waitFor();
  });

  test('a dry run explains a call and sends nothing', async (t) => {
    const page = await open(t, '?tab=decisions', { expected: ['/api/explain', '400'] });
    await page.getByText('Dry run').click();
    const form = page.getByRole('form', { name: 'Dry run' });
    await form.getByLabel('Method').fill('eth_getBalance');
    await form.getByLabel('Parameters').fill('["0x0000000000000000000000000000000000000000","latest"]');
    await form.getByLabel('Strategy').selectOption('fastest');
    await form.getByLabel('Transport').selectOption('http');
    await form.getByRole('button', { name: 'Explain' }).click();
    const result = page.locator('.dry-result');
    await result.getByText('Fastest, asked for by the call').waitFor();
    assert.equal(await result.locator('tbody tr').count(), 6);
    const first = result.locator('tbody tr').first();
    await first.getByText(/\d+ of \d+ passed/).click();
    await first.getByText('Circuit').waitFor();
    await form.getByLabel('Parameters').fill('{"');
    await form.getByRole('button', { name: 'Explain' }).click();
    await result.getByText('The router would refuse this call').waitFor();
    const { requests } = await (await fetch(`${lasso.base}/api/requests?method=eth_getBalance`)).json();
    assert.deepEqual(requests, []);
  });
});

describe('system', () => {
  test('the figures of the process are there and move', async (t) => {
    const page = await open(t, '?tab=system');
    const memory = page.locator('[data-figure=memory_bytes]');
    await memory.getByText(/MiB/).first().waitFor();
    await until('a line is drawn', async () => /L/.test(await memory.locator('path').first().getAttribute('d')), { limit: 20_000 });
    for (const name of ['cpu_percent', 'tasks', 'open_sockets', 'inflight_requests', 'feed_dropped']) {
      assert.match(await page.locator(`[data-figure=${name}] b`).innerText(), /\d/, name);
    }
    assert.match(await page.locator('.about').innerText(), /Version\s+\d+\.\d+/);
  });
});

describe('request tester', () => {
  const tester = (page) => page.getByRole('region', { name: 'Request tester' });
  const count = (page, name) => number(tester(page).locator(`[data-count=${name}] b`));

  test('a quick run sends calls, follows heads, and its counts match those of the router', async (t) => {
    const page = await open(t, '');
    await tester(page).getByRole('button', { name: 'Quick run' }).click();
    await tester(page).getByText(/\d+ s left/).waitFor();
    await until('two sockets are open', async () => (await count(page, 'open')) === 2);
    await network.mine();
    await until('heads are pushed', async () => Number(await tester(page).getAttribute('data-heads')) >= 2);
    await until('calls are answered', async () => (await count(page, 'success')) >= 8);
    await tester(page).getByRole('button', { name: 'Stop' }).click();
    await tester(page).getByText('Stopped').waitFor();
    const [sent, success, errors] = [Number(await tester(page).getAttribute('data-sent')), await count(page, 'success'), await count(page, 'errors')];
    assert.equal(success + errors, sent);
    assert.equal(errors, 0);
    // Only the tester asks for balances; every other call of it is one.
    const { requests } = await (await fetch(`${lasso.base}/api/requests?method=eth_getBalance&limit=200`)).json();
    assert.equal(requests.length, Math.floor(sent / 2));
  });

  test('a run of one\'s own has chain, strategy and rate, and lists its calls', async (t) => {
    const page = await open(t, '');
    await tester(page).getByRole('button', { name: 'Expand' }).click();
    const chains = tester(page).getByRole('group', { name: 'Chains' });
    await chains.getByLabel('All').uncheck();
    assert.equal(await tester(page).getByRole('button', { name: 'Run', exact: true }).isDisabled(), true, 'there is no chain to call');
    await chains.getByLabel('dev').check();
    assert.equal(await chains.getByLabel('All').isChecked(), true);
    await tester(page).getByRole('button', { name: 'Fastest' }).click();
    await tester(page).getByRole('button', { name: '30', exact: true }).click();
    await tester(page).getByRole('button', { name: 'Run', exact: true }).click();
    await until('calls are answered', async () => (await count(page, 'success')) > 60);
    assert.equal(await tester(page).locator('[data-call]').count(), 50, 'the last fifty are kept');
    const { requests } = await (await fetch(`${lasso.base}/api/requests?method=eth_getBalance&limit=1`)).json();
    assert.equal(requests[0].strategy, 'fastest');
    // It goes on behind another tab.
    await page.locator('[role=tab][data-tab=streams]').click();
    await section(page, 'streams').locator('tbody tr').waitFor();
    await page.locator('[role=tab][data-tab=overview]').click();
    await tester(page).getByRole('button', { name: 'Stop' }).click();
    await tester(page).getByText('Stopped').waitFor();
    await tester(page).locator('[data-call] a').first().click();
    await page.waitForURL(/tab=decisions&request=/);
    await page.getByRole('heading', { level: 1, name: /eth_/ }).waitFor();
  });

  test('an error inside a reply of status 200 is an error', async (t) => {
    const page = await open(t, '');
    await page.route('**/rpc/profile/**', (route) => route.fulfill({
      status: 200, contentType: 'application/json', body: '{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"no luck"}}',
    }));
    await tester(page).getByRole('button', { name: 'Quick run' }).click();
    await until('errors are counted', async () => (await count(page, 'errors')) >= 3);
    assert.equal(await count(page, 'success'), 0);
    await tester(page).getByRole('button', { name: 'Expand' }).click();
    await tester(page).getByText('-32000 no luck').first().waitFor();
    await tester(page).getByRole('button', { name: 'Stop' }).click();
  });

  test('rates above the limit of the profile cannot be chosen, and another profile ends the run', async (t) => {
    const page = await open(t, '/limited');
    await tester(page).getByRole('button', { name: 'Expand' }).click();
    const rate = (name) => tester(page).getByRole('button', { name, exact: true });
    assert.deepEqual([await rate('5').isDisabled(), await rate('15').isDisabled(), await rate('30').isDisabled()], [false, false, true]);
    await rate('Run').click();
    await tester(page).getByText('Running').waitFor();
    await page.getByRole('button', { name: 'Profile: Limited' }).click();
    await page.getByRole('option', { name: /Real nodes/ }).click();
    await tester(page).getByText('Stopped').waitFor();
    assert.equal(await rate('30').isDisabled(), false);
  });
});

describe('for everybody', () => {
  for (const colorScheme of ['dark', 'light']) {
    test(`no page has a serious finding of axe: ${colorScheme}`, async (t) => {
      const [id] = await calls(6);
      for (const place of [...TABS.map((tab) => `?tab=${tab}`), `?tab=decisions&request=${id}`]) {
        const { page, context } = await openPage(browser, `${lasso.base}/dashboard${place}`, { colorScheme });
        await page.locator('.page:not([hidden]) h2').first().waitFor();
        await accessible(page, `${place} ${colorScheme}`);
        await picture(page, `views-${place.replaceAll(/[^a-z]+/g, '-')}-${colorScheme}`);
        await context.close();
      }
      const { page, context } = await openPage(browser, `${lasso.base}/dashboard`, { colorScheme });
      await page.getByRole('button', { name: 'Expand the request tester' }).click();
      await accessible(page, `tester ${colorScheme}`);
      await context.close();
    });
  }

  test('on a phone nothing is wider than the screen', async (t) => {
    await calls(3);
    for (const tab of TABS) {
      const page = await open(t, `?tab=${tab}`, { viewport: { width: 360, height: 740 }, hasTouch: true });
      await page.locator('.page:not([hidden]) h2').first().waitFor();
      const wide = await page.evaluate(() => [document.documentElement, ...document.querySelectorAll('.page:not([hidden])')].filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.className || 'document'));
      assert.deepEqual(wide, [], tab);
      await picture(page, `views-${tab}-phone`);
    }
  });
});
