// The metrics of one chain: providers compared, latency over time, breakers, methods.

import { attr, h, icon, show, text } from '../dom.js';
import { clock, compact, integer, ms, percent } from '../format.js';
import { RETRY } from '../icons.js';
import { choice, empty, figure, page, repeat, sheets, successTone } from './parts.js';
import { breakersOverTime } from './metrics-breakers.js';
import { latencyOverTime } from './metrics-latency.js';
import { byCalls, methodCards } from './metrics-methods.js';
import { providerTables, rowsOf } from './metrics-providers.js';

await sheets('parts', 'charts', 'metrics');

const REFRESH_MS = 30_000;

export function mount(root, { store, router }) {
  let chain = null;
  let profile = null;
  let metrics = null;

  const chains = choice('Chain', 'chain', [], null, (name) => store.select({ chain: name }));
  const nodes = choice('Node', 'node', [], 'all', () => timer.again());
  const updated = h('span', { class: 'quiet', data: { updated: '' } });
  const refresh = h('button', { type: 'button', class: 'icon-button', 'aria-label': 'Refresh', title: 'Refresh now', on: { click: () => timer.again() } }, icon(RETRY, { size: 14 }));
  const bar = h('div', { class: 'toolbar' }, chains.element, h('div', { class: 'toolbar-end' }, nodes.element, updated, refresh));

  const figures = {
    success: figure('success', 'Success'), p50: figure('p50', 'P50'), p95: figure('p95', 'P95'),
    rate: figure('rate', 'Calls per second', 'Mean of the last 60 seconds'), calls: figure('calls', 'Calls'),
    failovers: figure('failovers', 'Failovers', 'In the last 60 seconds'), providers: figure('providers', 'Providers up'),
  };
  const strip = h('div', { class: 'figures card' }, Object.values(figures).map((one) => one.element));
  const nothing = h('div', { data: { empty: 'metrics' } });
  const providers = providerTables((id) => router.go({ tab: 'overview', chain, provider: id }));
  const latency = latencyOverTime();
  const breakers = breakersOverTime(store);
  const methods = methodCards();
  const called = [strip, ...providers.elements, latency.element];
  root.append(h('div', { class: 'page metrics' }, h('h1', { class: 'sr-only' }, 'Metrics'), bar, nothing, ...called, breakers.element, methods.element));

  function say(title, why) {
    nothing.replaceChildren(...(title ? [empty(title, why)] : []));
  }

  function choose() {
    const { state } = store;
    const names = [...state.chains.values()];
    const wanted = state.chains.has(state.selection.chain) ? state.selection.chain : (names[0]?.key ?? null);
    chains.fill(names.map((one) => ({ value: one.key, label: one.name ?? one.key, detail: String(one.chain_id) })));
    chains.set(wanted);
    const reporting = state.cluster?.responding ?? 1;
    nodes.fill([{ value: 'all', label: `All nodes (${reporting})` }, ...(state.node ? [{ value: state.node.id, label: state.node.id }] : [])]);
    if (wanted === chain && state.profile === profile) return;
    [chain, profile, metrics] = [wanted, state.profile, null];
    timer.again();
  }

  function hide(hidden) {
    for (const element of [...called, breakers.element, methods.element]) show(element, !hidden);
  }

  async function read(signal) {
    if (!chain) {
      hide(true);
      if (store.state.profile) say('This profile has no chains', 'Its metrics appear here when it has one.');
      return;
    }
    attr(refresh, 'aria-busy', 'true');
    try {
      metrics = await page(`/api/metrics/${encodeURIComponent(chain)}`, {}, signal);
    } finally {
      if (!signal.aborted) attr(refresh, 'aria-busy', null);
    }
    text(updated, `Last updated ${clock(Date.now())}`);
    draw();
    await Promise.all([
      latency.update(chain, byCalls(metrics), signal).catch(latency.failed),
      breakers.update(chain, signal).catch(breakers.failed),
    ]);
  }

  function draw() {
    if (!metrics || metrics.chain !== chain) return;
    const { chain_performance: sum } = metrics;
    const any = metrics.providers.length > 0;
    hide(false);
    for (const element of called) show(element, any);
    show(methods.element, any);
    if (any) say(null);
    else say('No calls in the last 24 hours', `Figures of ${chain} appear here with its first call, for example from the request tester in the overview.`);
    drawProviders();
    methods.update(byCalls(metrics));
    figures.success.set(percent(sum.success_rate), { tone: successTone(sum.success_rate) });
    figures.p50.set(ms(sum.p50_latency));
    figures.p95.set(ms(sum.p95_latency));
    figures.rate.set(compact(sum.rpc_calls_per_second));
    figures.calls.set(integer(sum.total_calls));
    figures.failovers.set(integer(sum.failovers_last_minute));
    figures.providers.set(`${sum.connected_providers} / ${sum.total_providers}`, { tone: sum.connected_providers < sum.total_providers ? 'fair' : '' });
  }

  function drawProviders() {
    if (!metrics?.providers.length || metrics.chain !== chain) return;
    const heard = new Set(metrics.providers.map((row) => row.id));
    providers.update(rowsOf(metrics, store), store.providersOf(chain).map((one) => one.id).filter((id) => !heard.has(id)));
  }

  const timer = repeat(REFRESH_MS, read, (error) => {
    if (!metrics) {
      hide(true);
      say('The metrics could not be read', error.message);
    }
    text(updated, `Not updated: ${error.message}`);
  });
  let lastChange = store.state.events.at(-1)?.id ?? 0;
  const offs = [
    store.on(['profile', 'chains', 'selection', 'cluster'], choose),
    // A breaker that opens moves its provider to the other table at once.
    store.on(['providers'], drawProviders),
    store.on(['events'], () => {
      const news = store.state.events.some((event) => event.id > lastChange && event.kind === 'breaker' && event.chain === chain);
      lastChange = store.state.events.at(-1)?.id ?? lastChange;
      if (news) breakers.update(chain).catch(breakers.failed);
    }),
  ];
  choose();
  return {
    unmount() {
      for (const off of offs) off();
      timer.stop();
      latency.destroy();
      breakers.destroy();
    },
  };
}
