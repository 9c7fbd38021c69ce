// The dashboard in a real browser, over real nodes: frame, overview, details and what is live in them.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { accessible, launch, openPage, picture } from './browser.mjs';
import { healthy as healthyRouter, Lasso, profile } from './lasso.mjs';
import { Network } from './nodes.mjs';
import { call } from './rpc.mjs';
import { until } from './wait.mjs';

const SETTINGS = `
circuit_breaker: { recovery_timeout_ms: 1000, max_recovery_timeout_ms: 1000, success_threshold: 1 }
probe: { tick_ms: 50, timeout_ms: 500 }
block_sync: { poll_timeout_ms: 500 }
upstream_websocket: { connect_jitter_ms: 0, reconnect_interval_ms: 100, stable_after_ms: 200 }
log: { level: info, format: json, sampling_rate: 0.0 }
`;
const NAMES = ['alpha', 'beta', 'gamma'];
const STRATEGIES = ['load-balanced', 'latency-weighted', 'fastest'];

/** In all, as it comes over the wire, for every tab. */
const WEIGHT = 200 * 1024;

let [network, lasso, browser] = [];

before(async () => {
  [network, browser] = await Promise.all([Network.start(3), launch()]);
  const providers = (kind) => network.nodes.map((node, i) => ({
    id: NAMES[i], url: node.url, more: kind === 'http' ? [] : [`ws_url: "${node.url.replace('http', 'ws')}"`],
  }));
  lasso = await Lasso.start({
    profileText: profile(providers(), { more: ['ui-topology: { color: "#627EEA", size: lg }'] }),
    otherProfiles: { second: profile(providers('http').slice(0, 2), { slug: 'second' }).replace('name: Real nodes', 'name: Second') },
    settings: SETTINGS,
  });
});

after(async () => {
  await browser?.close();
  await lasso?.stop();
  await network?.stop();
});

/** A page of the dashboard that is closed with the test, and held to no fault in its console. */
async function open(t, path = '/dashboard', options) {
  const { page, context, faults } = await openPage(browser, `${lasso.base}${path}`, options);
  t.after(async () => {
    await picture(page, t.fullName.replaceAll(/[^a-z0-9]+/gi, '-').slice(0, 80));
    await context.close();
    assert.deepEqual(faults, []);
  });
  return page;
}

const chain = (page) => page.locator('button[data-chain="dev"]');
const provider = (page, name) => page.locator(`button[data-provider="dev/${name}"]`);
const details = (page) => page.getByRole('region', { name: 'Details' });
const healthy = (page) => Promise.all(NAMES.map((name) => page.locator(`[data-provider="dev/${name}"][data-status="healthy"]`).waitFor()));

/** How the picture lies: `{ x, y, scale }` of its plane. */
const plane = (page) => page.locator('.stage').evaluate((stage) => {
  const { a: scale, e: x, f: y } = new DOMMatrix(getComputedStyle(stage).transform);
  return { x, y, scale };
});
const scale = async (page) => Number((await plane(page)).scale.toFixed(3));
const scaled = (page, wanted) => until(`the picture is at scale ${wanted}`, async () => (await scale(page)) === wanted);

describe('what is seen', () => {
  test('the root leads to a picture of every chain and provider', async (t) => {
    const page = await open(t, '/');
    assert.equal(new URL(page.url()).pathname, '/dashboard');
    await healthy(page);
    assert.deepEqual(await page.locator('button[data-provider]').evaluateAll((nodes) => nodes.map((node) => node.dataset.provider).sort()), NAMES.map((name) => `dev/${name}`));
    assert.equal(await page.locator('.lines line[data-status="healthy"]').count(), 3);
    assert.equal(await page.locator('button[data-ws]').count(), 3, 'each takes WebSocket');
    assert.match(await chain(page).innerText(), /dev/);
    await page.locator('[data-cluster="standalone"]', { hasText: 'Standalone node' }).waitFor();
    await details(page).getByText('3 providers · 1 chain').waitFor();
  });

  test('a block and a call are seen without a reload', async (t) => {
    const page = await open(t);
    await healthy(page);
    await network.mine();
    await chain(page).getByText(new Intl.NumberFormat('en-GB').format(network.height)).waitFor();

    await call(lasso.url, 'eth_gasPrice');
    const line = details(page).getByRole('button', { name: /eth_gasPrice/ }).last();
    await line.waitFor();
    assert.match(await line.innerText(), /dev\s+eth_gasPrice → (alpha|beta|gamma)\s+\([\d.]+ m?s\)/);
    await line.click();
    await page.waitForURL(/tab=decisions&request=/);
    await page.locator('[role=tab][data-tab=decisions][aria-selected=true]').waitFor();
  });

  test('the last minute is summed up, of clients alone', async (t) => {
    const page = await open(t);
    const strip = details(page).locator('.strip');
    for (let i = 0; i < 20; i++) await call(lasso.url, 'eth_blockNumber');
    await until('calls are counted', async () => Number((await strip.locator('[data-figure=rps] dd').innerText()).replace('–', '0')) > 0);
    assert.match(await strip.locator('[data-figure=success]').innerText(), /Success \(of \d+\)\s+[\d.]+ %/);
    assert.match(await strip.locator('[data-figure=latency] dd').innerText(), /m?s$/);
  });

  test('who scrolls up in the activity is left in peace', async (t) => {
    const page = await open(t);
    const lines = details(page).getByRole('list', { name: /Recent activity/ });
    const fill = async () => {
      for (let i = 0; i < 60; i++) await call(lasso.url, 'eth_chainId');
    };
    await fill();
    await until('the list is full enough to scroll', () => lines.evaluate((list) => list.scrollHeight > list.clientHeight + 200));
    await lines.hover();
    await page.mouse.wheel(0, -400);
    await details(page).getByText('Paused').waitFor();
    const before = await lines.evaluate((list) => [list.scrollTop, list.lastChild.textContent]);
    await fill();
    const resume = details(page).getByRole('button', { name: /new$/ });
    await resume.waitFor();
    assert.deepEqual(await lines.evaluate((list) => [list.scrollTop, list.lastChild.textContent]), before, 'nothing moved');
    await resume.click();
    await until('it is at its end again', () => lines.evaluate((list) => list.scrollHeight - list.scrollTop - list.clientHeight < 24));
    assert.ok((await lines.locator('li').count()) <= 100);
  });

  test('a node that dies turns red as its breaker opens, and green when it is back', async (t) => {
    const page = await open(t);
    await healthy(page);
    const state = await network.saveState();
    await provider(page, 'beta').click();
    // Both moments by clocks of this machine: of the router for the event, of the browser for the picture.
    await page.evaluate(async () => {
      const { store } = await import('/dashboard/assets/js/store.js');
      globalThis.seen = {};
      store.on(['events'], () => {
        const opened = store.state.events.find((event) => event.kind === 'breaker' && event.provider === 'beta' && event.to === 'open');
        globalThis.seen.event ??= opened?.ts;
      });
      const node = document.querySelector('button[data-provider="dev/beta"]');
      new MutationObserver(() => {
        if (node.dataset.status === 'circuit_open') globalThis.seen.red ??= Date.now();
      }).observe(node, { attributeFilter: ['data-status'] });
    });
    await network.nodes[1].kill();
    await page.locator('button[data-provider="dev/beta"][data-status="circuit_open"]').waitFor();
    const { event, red } = await until('the page has heard of the breaker', () => page.evaluate(() => globalThis.seen.event && globalThis.seen.red && globalThis.seen));
    t.diagnostic(`red ${red - event} ms after the breaker opened`);
    assert.ok(red - event < 1000, `${red - event} ms`);
    assert.equal(await page.locator('[data-line="dev/beta"]').getAttribute('data-status'), 'circuit_open');

    const window = details(page);
    await window.locator('.pill', { hasText: 'Circuit Open' }).waitFor();
    await window.locator('.breaker[data-transport=http][data-state=open]').waitFor();
    await window.locator('.issue[data-severity=error]').first().waitFor();
    assert.doesNotMatch(await window.innerText(), new RegExp(`:${network.nodes[1].port}`), 'no address of a node');
    await accessible(page, 'a failed provider');

    await network.nodes[1].restart(state);
    await healthy(page);
    await window.locator('.pill', { hasText: 'Healthy' }).waitFor();
    await window.locator('.events .issue[data-kind=breaker]').first().waitFor();
  });

  test('any number of chains and providers has its place, and always the same', async (t) => {
    const page = await open(t);
    const faults = await page.evaluate(async () => {
      const { layout, WIDTH, HEIGHT, NODE } = await import('/dashboard/assets/js/overview/layout.js');
      const sizes = ['xl', 'lg', 'md', 'sm', 'none'];
      const found = [];
      for (const count of [0, 1, 2, 5, 12, 30]) {
        const chains = Array.from({ length: count }, (_, i) => ({ key: `chain-${i}`, size: sizes[i % 5] }));
        const providersOf = (chain) => Array.from({ length: Number(chain.slice(6)) % 15 }, (_, i) => ({ key: `${chain}/provider-${i}` }));
        const places = layout(chains, providersOf);
        const again = layout([...chains].reverse(), (chain) => providersOf(chain).reverse());
        const circles = [...places.chains, ...places.providers].map(([key, place]) => ({ key, radius: NODE, ...place }));
        if (circles.length !== count + chains.flatMap(({ key }) => providersOf(key)).length) found.push(`${count}: some have no place`);
        for (const [i, one] of circles.entries()) {
          const other = again.chains.get(one.key) ?? again.providers.get(one.key);
          if (other.x !== one.x || other.y !== one.y) found.push(`${one.key} moved`);
          if (one.x < 0 || one.y < 0 || one.x > WIDTH || one.y > HEIGHT) found.push(`${one.key} is outside`);
          for (const near of circles.slice(0, i)) {
            if (Math.hypot(one.x - near.x, one.y - near.y) < one.radius + near.radius) found.push(`${one.key} touches ${near.key}`);
          }
        }
      }
      return found;
    });
    assert.deepEqual(faults, []);
  });

  test('a lost router is said, and followed again when it is back', async (t) => {
    const other = await Lasso.start({ providers: [{ id: 'alpha', url: network.nodes[0].url }], settings: SETTINGS });
    t.after(() => other.stop());
    const { page, context } = await openPage(browser, `${other.base}/dashboard`);
    t.after(() => context.close());
    const seen = (method) => details(page).getByRole('button', { name: new RegExp(method) }).last().waitFor();
    for (let i = 0; i < 5; i++) await call(other.url, 'eth_gasPrice');
    await seen('eth_gasPrice');
    await other.child.kill();
    await page.locator('[data-connection="lost"]', { hasText: 'Reconnecting' }).waitFor();
    other.child = other.home.launch(['serve'], { args: ['--listen', `127.0.0.1:${other.port}`] });
    await healthyRouter(other.child, other.base);
    await page.locator('[data-connection="live"]').waitFor();
    await call(other.url, 'eth_blockNumber');
    await seen('eth_blockNumber');
  });

  test('a profile that is not there leads to the default one', async (t) => {
    const { page, context } = await openPage(browser, `${lasso.base}/dashboard/nosuch`);
    t.after(() => context.close());
    await page.waitForURL(/\/dashboard$/);
    await details(page).getByText('3 providers · 1 chain').waitFor();
    assert.equal(await page.evaluate(() => sessionStorage.getItem('lasso_selected_profile')), null);
  });
});

describe('what is used', () => {
  test('profiles: chosen by mouse and keys, remembered, and followed at once', async (t) => {
    const page = await open(t);
    await healthy(page);
    const button = page.getByRole('button', { name: /^Profile:/ });
    await button.click();
    const options = page.getByRole('option');
    assert.equal(await options.count(), 2);
    assert.match(await page.getByRole('listbox', { name: 'Profile' }).innerText(), /Built-in[\s\S]*Real nodes[\s\S]*1 chain[\s\S]*Custom[\s\S]*Second/);
    assert.match(await page.locator('[role=option][aria-selected=true]').innerText(), /Real nodes/);
    await options.filter({ hasText: 'Second' }).click();
    await page.waitForURL(/\/dashboard\/second$/);
    await details(page).getByText('2 providers · 1 chain').waitFor();
    assert.equal(await page.locator('button[data-provider]').count(), 2);
    assert.equal(await page.evaluate(() => sessionStorage.getItem('lasso_selected_profile')), 'second');

    await page.goto(`${lasso.base}/dashboard`);
    await page.waitForURL(/\/dashboard\/second$/);
    await details(page).getByText('2 providers · 1 chain').waitFor();

    await button.focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/dashboard\/default$/);
    await details(page).getByText('3 providers · 1 chain').waitFor();
    await button.click();
    await page.keyboard.press('Escape');
    assert.equal(await page.getByRole('listbox', { name: 'Profile' }).isVisible(), false);
  });

  test('theme: the wish of the system, until another is chosen', async (t) => {
    const page = await open(t, '/dashboard', { colorScheme: 'light' });
    const theme = () => page.evaluate(() => [document.documentElement.dataset.theme, getComputedStyle(document.body).backgroundColor]);
    const [light, lightColour] = await theme();
    assert.equal(light, 'light');
    await page.getByRole('button', { name: 'Use the dark theme' }).click();
    const [dark, darkColour] = await theme();
    assert.equal(dark, 'dark');
    assert.notEqual(darkColour, lightColour);
    await page.reload();
    assert.deepEqual(await theme(), [dark, darkColour]);
    await page.getByRole('button', { name: 'Use the light theme' }).click();
    assert.deepEqual(await theme(), [light, lightColour]);
  });

  test('tabs: by mouse, by keys, by the way back', async (t) => {
    const page = await open(t);
    for (const tab of ['metrics', 'streams', 'decisions', 'overview']) {
      await page.locator(`[role=tab][data-tab=${tab}]`).click();
      await page.locator(`.view-${tab}`).waitFor();
      await page.locator(`[role=tab][data-tab=${tab}][aria-selected=true]`).waitFor();
    }
    await page.goBack();
    await page.locator('.view-decisions').waitFor();
    await page.locator('[role=tab][data-tab=decisions]').focus();
    await page.keyboard.press('ArrowLeft');
    await page.locator('.view-streams').waitFor();
    await page.goto(`${lasso.base}/dashboard/default?tab=metrics&chain=dev`);
    await page.locator('.view-metrics').waitFor();
  });

  test('legend: each state, and what it means', async (t) => {
    const page = await open(t);
    const entries = page.locator('.legend-entry');
    assert.deepEqual(await entries.allInnerTexts(), ['Healthy', 'Lagging', 'Recovering', 'Degraded', 'Rate Limited', 'Circuit Open', 'WS']);
    for (const entry of await entries.all()) {
      const tip = page.locator(`#${await entry.getAttribute('aria-describedby')}`);
      await entry.hover();
      await tip.waitFor({ state: 'visible' });
      assert.match(await tip.innerText(), /\w+ .*\./);
    }
    await page.mouse.move(10, 10);
    await page.locator('#legend-healthy').waitFor({ state: 'hidden' });
    await entries.first().focus();
    await page.keyboard.press('Tab');
    await page.locator('#legend-lagging').waitFor({ state: 'visible' });
  });

  test('picture: dragged, zoomed, selected, left again', async (t) => {
    const page = await open(t);
    await healthy(page);
    const middle = await chain(page).boundingBox().then(({ x, y, width, height }) => ({ x: x + width / 2, y: y + height / 2 }));
    const start = await plane(page);
    // A press that hardly moves is a click.
    await page.mouse.move(middle.x, middle.y);
    await page.mouse.down();
    await page.mouse.move(middle.x + 3, middle.y);
    await page.mouse.up();
    await scaled(page, 1.25);
    await details(page).getByRole('heading', { name: 'dev' }).waitFor();
    await page.waitForURL(/chain=dev/);

    // One that moves is a drag, and selects nothing.
    await page.keyboard.press('Escape');
    await scaled(page, 1);
    const before = await plane(page);
    await page.mouse.move(middle.x, middle.y);
    await page.mouse.down();
    await page.mouse.move(middle.x - 60, middle.y + 40, { steps: 5 });
    await page.mouse.up();
    const moved = await plane(page);
    assert.deepEqual([Math.round(moved.x - before.x), Math.round(moved.y - before.y)], [-60, 40]);
    await details(page).getByText('Recent activity').waitFor();

    // What a key does after a drag is no part of the drag.
    await provider(page, 'gamma').focus();
    await page.keyboard.press('Enter');
    await scaled(page, 1.4);
    await details(page).getByRole('heading', { name: 'gamma' }).waitFor();
    await page.waitForURL(/provider=gamma/);
    await details(page).getByRole('button', { name: '‹ dev' }).click();
    await scaled(page, 1.25);
    await details(page).getByRole('button', { name: '‹ All chains' }).click();
    await details(page).getByText('Recent activity').waitFor();

    await chain(page).click();
    await page.locator('.topology').click({ position: { x: 30, y: 400 } });
    await scaled(page, 1);
    await details(page).getByText('Recent activity').waitFor();

    await page.getByRole('button', { name: 'Zoom in' }).click();
    await scaled(page, 1.25);
    await page.getByRole('button', { name: 'Zoom out' }).click();
    await scaled(page, 1);
    await page.getByRole('button', { name: 'Zoom in' }).click();
    await page.getByRole('button', { name: 'Show everything' }).click();
    await scaled(page, start.scale);
    await page.mouse.move(300, 420);
    await page.mouse.wheel(0, -200);
    await until('the wheel zooms in', async () => (await scale(page)) > 1.1);
  });

  test('keyboard: every node is reached and opened without a mouse', async (t) => {
    const page = await open(t);
    await healthy(page);
    const reached = new Set();
    await page.getByRole('button', { name: /Use the/ }).focus();
    for (let i = 0; i < 40 && reached.size < 4; i++) {
      await page.keyboard.press('Tab');
      const node = await page.evaluate(() => document.activeElement.dataset.chain ?? document.activeElement.dataset.provider);
      if (node) {
        reached.add(node);
        assert.notEqual(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), 'none', 'the focus is seen');
      }
    }
    assert.deepEqual([...reached].sort(), ['dev', ...NAMES.map((name) => `dev/${name}`)]);
    await provider(page, 'alpha').focus();
    await page.keyboard.press('Enter');
    await details(page).getByRole('heading', { name: 'alpha' }).waitFor();
    await page.keyboard.press('Escape');
    await details(page).getByText('Recent activity').waitFor();
    const before = await plane(page);
    await chain(page).focus();
    await page.keyboard.press('ArrowLeft');
    await until('the picture moved', async () => (await plane(page)).x > before.x);
  });

  test('streaming_11_case_52_a_copied_address_is_that_of_the_chosen_strategy_and_answers', async (t) => {
    const page = await open(t, '/dashboard/default?chain=dev');
    const window = details(page);
    const copied = async (name, expected) => {
      await window.getByRole('button', { name }).click();
      await until(`the clipboard holds ${expected}`, async () => (await page.evaluate(() => navigator.clipboard.readText())) === expected);
      return expected;
    };
    const host = lasso.base.replace('http://', '');
    const lines = new Set();
    for (const [label, middle] of [['Load Balanced', `${STRATEGIES[0]}/`], ['Latency Weighted', `${STRATEGIES[1]}/`], ['Fastest', `${STRATEGIES[2]}/`], ['Default', '']]) {
      await window.getByRole('button', { name: label, exact: true }).click();
      lines.add(await window.locator('.endpoint-line').innerText());
      const http = await copied('Copy the HTTP address', `http://${host}/rpc/profile/default/${middle}dev`);
      const ws = await copied('Copy the WebSocket address', `ws://${host}/ws/rpc/profile/default/${middle}dev`);
      assert.equal(Number(await call(http, 'eth_blockNumber')), network.height);
      assert.equal(Number(await overWebSocket(page, ws, 'eth_blockNumber')), network.height);
    }
    assert.equal(lines.size, 4, 'each strategy is explained in a line of its own');
    await window.getByRole('combobox', { name: 'Pinned to one provider' }).selectOption('beta');
    const pinned = await copied('Copy the HTTP address', `http://${host}/rpc/profile/default/provider/beta/dev`);
    await window.getByRole('button', { name: 'Copied!' }).first().waitFor();
    await until('the buttons say Copy again', async () => (await window.getByText('Copied!').count()) === 0);
    assert.equal(Number(await call(pinned, 'eth_blockNumber')), network.height);
    await window.locator('.decision', { hasText: 'beta' }).waitFor();
  });

  test('activity: one stop for the tab key, arrows from line to line', async (t) => {
    const page = await open(t);
    for (let i = 0; i < 3; i++) await call(lasso.url, 'eth_gasPrice');
    const lines = details(page).getByRole('list', { name: /Recent activity/ });
    await until('three lines are there', async () => (await lines.getByRole('button', { name: /eth_gasPrice/ }).count()) >= 3);
    await lines.focus();
    await page.keyboard.press('ArrowUp');
    const request = () => page.evaluate(() => document.activeElement.dataset.request);
    const last = await request();
    await page.keyboard.press('ArrowUp');
    const chosen = await request();
    assert.ok(last && chosen && last !== chosen);
    await page.keyboard.press('Enter');
    await page.waitForURL((url) => url.searchParams.get('tab') === 'decisions' && url.searchParams.get('request') === chosen);
  });

  test('a chain without WebSocket has a notice instead of an address', async (t) => {
    const page = await open(t, '/dashboard/second?chain=dev');
    await details(page).getByText('No provider of this chain takes WebSocket connections.').waitFor();
    assert.equal(await details(page).locator('[data-address=ws]').isVisible(), false);
  });

  test('details: a chain and its providers, collapsed and expanded', async (t) => {
    const page = await open(t, '/dashboard/default?chain=dev');
    const window = details(page);
    for (let i = 0; i < 10; i++) await call(lasso.url, 'eth_getBalance', ['0x0000000000000000000000000000000000000001', 'latest']);
    await window.locator('.pill', { hasText: 'Healthy' }).waitFor();
    assert.match(await window.locator('[data-figure=connected]').innerText(), /3\/3/);
    await until('shares are shown', async () => (await window.locator('.shares li').count()) > 0);
    await window.getByRole('button', { name: /^gamma/ }).click();
    await window.getByRole('heading', { name: 'gamma' }).waitFor();
    await window.getByText('HTTP + WS').waitFor();
    await window.getByText('Synced').waitFor();
    assert.deepEqual(await window.locator('.breaker-state').allInnerTexts(), ['Closed · 1/1', 'Closed · 1/1']);
    const regions = window.getByRole('group', { name: 'Region' }).getByRole('button');
    assert.equal(await regions.count(), 2);
    await regions.nth(1).click();
    assert.equal(await regions.nth(1).getAttribute('aria-pressed'), 'true');
    assert.deepEqual(await window.locator('.breaker-state').allInnerTexts(), ['Closed', 'Closed']);

    const width = () => window.evaluate((box) => Number.parseFloat(getComputedStyle(box).width) / Number.parseFloat(getComputedStyle(document.documentElement).fontSize));
    assert.equal(await width(), 36);
    await window.getByRole('button', { name: 'Collapse details' }).click();
    assert.equal(await width(), 24);
    assert.equal(await window.getByText('Circuit breaker').isVisible(), false);
    await window.getByRole('button', { name: 'Expand details' }).click();
    await window.getByText('Circuit breaker').waitFor();
    assert.equal(await width(), 36);
  });
});

describe('for everybody', () => {
  test('phone: nothing is cut off, the window is a sheet, fingers drag and open', async (t) => {
    const page = await open(t, '/dashboard', { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
    await healthy(page);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
    await chain(page).tap();
    await details(page).getByRole('heading', { name: 'dev' }).waitFor();
    const sheet = await details(page).boundingBox();
    assert.deepEqual([sheet.x, sheet.width], [0, 360]);
    assert.ok(sheet.y > 200, 'the picture is still seen');
    await until('the chain is beside the sheet', async () => {
      const node = await chain(page).boundingBox();
      return node.y >= 0 && node.y + node.height <= sheet.y + 1;
    });
    await accessible(page, 'phone');
    await details(page).getByRole('button', { name: 'Collapse details' }).tap();
    await page.getByRole('button', { name: 'Legend' }).tap();
    await page.locator('.legend-entry').first().waitFor({ state: 'visible' });
  });

  test('movement: only for those who do not ask for stillness', async (t) => {
    const durations = async (reducedMotion) => {
      const page = await open(t, '/dashboard', { reducedMotion });
      await healthy(page);
      await chain(page).click();
      await details(page).getByRole('heading', { name: 'dev' }).waitFor();
      return page.locator('.stage').evaluate((stage) => stage.style.transition);
    };
    assert.match(await durations('no-preference'), /transform 800ms/);
    assert.equal(await durations('reduce'), 'none');
  });

  for (const colorScheme of ['dark', 'light']) {
    test(`accessibility rules: ${colorScheme}`, async (t) => {
      const page = await open(t, '/dashboard', { colorScheme });
      await healthy(page);
      await call(lasso.url, 'eth_blockNumber');
      await accessible(page, 'overview');
      await page.getByRole('button', { name: /^Profile:/ }).click();
      await accessible(page, 'profiles');
      await page.keyboard.press('Escape');
      await chain(page).click();
      await details(page).getByRole('heading', { name: 'dev' }).waitFor();
      await accessible(page, 'chain');
      await provider(page, 'alpha').click();
      await details(page).getByRole('heading', { name: 'alpha' }).waitFor();
      await accessible(page, 'provider');
    });
  }

  test('weight and first paint', async (t) => {
    const page = await open(t);
    for (const tab of ['metrics', 'streams', 'decisions', 'system']) {
      await page.goto(`${lasso.base}/dashboard?tab=${tab}`);
      await page.locator(`.view-${tab}`).waitFor();
    }
    const assets = new Set(await page.evaluate(async () => {
      const seen = new Set(['/dashboard']);
      const look = async (path) => {
        if (seen.has(path)) return;
        seen.add(path);
        const content = await (await fetch(path)).text();
        for (const [, found] of content.matchAll(/["'](\.{1,2}\/[^"']+\.js|\/dashboard\/assets\/[^"']+)["']/g)) await look(new URL(found, location.origin + path).pathname);
      };
      await look('/dashboard/assets/js/main.js');
      for (const { name } of performance.getEntriesByType('resource')) if (name.includes('/dashboard')) seen.add(new URL(name).pathname);
      return [...seen];
    }));
    let [weight, plain] = [0, 0];
    for (const path of assets) {
      const response = await fetch(lasso.base + path, { headers: { 'accept-encoding': 'gzip' } });
      assert.equal(response.status, 200, path);
      weight += Number(response.headers.get('content-length'));
      plain += (await response.arrayBuffer()).byteLength;
    }
    t.diagnostic(`${assets.size} files of all tabs: ${(weight / 1024).toFixed(1)} KiB as sent, ${(plain / 1024).toFixed(1)} KiB unpacked`);
    assert.ok(assets.size > 20 && weight < WEIGHT, `${weight} bytes`);

    const fresh = await open(t);
    const [paint, complete] = await until('it has painted', () => fresh.evaluate(() => {
      const first = performance.getEntriesByName('first-contentful-paint')[0]?.startTime;
      return first && [first, performance.getEntriesByType('navigation')[0].loadEventEnd];
    }));
    t.diagnostic(`first contentful paint ${paint.toFixed(0)} ms, loaded ${complete.toFixed(0)} ms`);
  });
});

/** The result of a call over a socket that the browser opens. */
function overWebSocket(page, url, method) {
  return page.evaluate(([address, name]) => new Promise((resolve, reject) => {
    const socket = new WebSocket(address);
    socket.onerror = () => reject(new Error(`no socket at ${address}`));
    socket.onopen = () => socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: name, params: [] }));
    socket.onmessage = ({ data }) => {
      socket.close();
      resolve(JSON.parse(data).result);
    };
  }), [url, method]);
}
