// The metrics of one chain: providers compared, latency over time, breakers, methods.

import { attr, h, icon, show, text } from '../dom.js';
import { clock, compact, integer, ms, percent } from '../format.js';
import { RETRY } from '../icons.js';
import { choice, empty, figures, page, repeat, sheets, successTone } from './parts.js';
import { breakersOverTime } from './metrics-breakers.js';
import { latencyOverTime } from './metrics-latency.js';
import { byCalls, methodCards } from './metrics-methods.js';
import { providerTables } from './metrics-providers.js';

await sheets('parts', 'charts', 'metrics');

const REFRESH_MS = 30_000;

export function mount(root, { store, router }) {
  let [chain, profile, metrics] = [null, null, null];

  const chains = choice('Chain', 'chain', [], null, (name) => store.select({ chain: name }));
  const nodes = choice('Node', 'node', [], 'all', () => timer.again());
  const updated = h('span', { class: 'quiet', data: { updated: '' } });
  const refresh = h('button', { type: 'button', class: 'icon-button', 'aria-label': 'Refresh', title: 'Refresh now', on: { click: () => timer.again() } }, icon(RETRY, { size: 14 }));
  const strip = figures('card', [
    ['success', 'Success'], ['p50', 'P50'], ['p95', 'P95'], ['rate', 'Calls per second', 'Mean of the last 60 seconds'],
    ['calls', 'Calls'], ['failovers', 'Failovers', 'In the last 60 seconds'], ['providers', 'Providers up'],
  ]);
  const nothing = h('div');
  const providers = providerTables(store, (id) => router.go({ tab: 'overview', chain, provider: id }));
  const latency = latencyOverTime();
  const breakers = breakersOverTime(store);
  const methods = methodCards();
  const called = [strip, providers, latency, methods].map((one) => one.element);
  root.append(h('div', { class: 'page metrics' }, h('h1', { class: 'sr-only' }, 'Metrics'),
    h('div', { class: 'toolbar' }, chains.element, h('div', { class: 'toolbar-end' }, nodes.element, updated, refresh)),
    nothing, strip.element, providers.element, providers.openElement, latency.element, breakers.element, methods.element));

  /** Shows the figures, or says why there are none. */
  function say(title, why) {
    nothing.replaceChildren(title ? empty(title, why) : '');
    for (const element of called) show(element, !title);
    if (title) show(providers.openElement, false);
  }

  function choose(keys) {
    const { state } = store;
    const all = [...state.chains.values()];
    const wanted = state.chains.has(state.selection.chain) ? state.selection.chain : (all[0]?.key ?? null);
    chains.fill(all.map((one) => ({ value: one.key, label: one.name ?? one.key, detail: String(one.chain_id) })));
    chains.set(wanted);
    nodes.fill([{ value: 'all', label: `All nodes (${state.cluster?.responding ?? 1})` }, ...(state.node ? [{ value: state.node.id, label: state.node.id }] : [])]);
    if (wanted !== chain || state.profile !== profile) metrics = null;
    else if (!keys.has('profile')) return;
    [chain, profile] = [wanted, state.profile];
    timer.again();
  }

  async function read(signal) {
    show(breakers.element, Boolean(chain));
    if (!chain) return say(store.state.profile ? 'This profile has no chains' : 'Waiting for the router', 'Metrics appear here with the first chain.');
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
    const { chain_performance: sum } = metrics;
    if (metrics.providers.length === 0) return say('No calls in the last 24 hours', `Figures of ${chain} appear here with its first call, for example from the request tester in the overview.`);
    say(null);
    drawProviders();
    methods.update(byCalls(metrics));
    strip.set('success', percent(sum.success_rate), successTone(sum.success_rate));
    strip.set('p50', ms(sum.p50_latency));
    strip.set('p95', ms(sum.p95_latency));
    strip.set('rate', compact(sum.rpc_calls_per_second));
    strip.set('calls', integer(sum.total_calls));
    strip.set('failovers', integer(sum.failovers_last_minute));
    strip.set('providers', `${sum.connected_providers} / ${sum.total_providers}`, sum.connected_providers < sum.total_providers ? 'fair' : null);
  }

  function drawProviders() {
    if (metrics?.providers.length && metrics.chain === chain) providers.update(metrics);
  }

  const timer = repeat(REFRESH_MS, read, (error) => {
    if (!metrics) say('The metrics could not be read', error.message);
    text(updated, `Not updated: ${error.message}`);
  });
  let heard = store.state.events.at(-1)?.id ?? 0;
  const offs = [
    store.on(['profile', 'chains', 'selection', 'cluster'], choose),
    // A breaker that opens moves its provider to the other table at once.
    store.on(['providers'], drawProviders),
    store.on(['events'], () => {
      const news = store.state.events.some((event) => event.id > heard && event.kind === 'breaker' && event.chain === chain);
      heard = store.state.events.at(-1)?.id ?? 0;
      if (news) breakers.update(chain).catch(breakers.failed);
    }),
  ];
  choose(new Set(['profile']));
  return {
    unmount() {
      for (const off of offs) off();
      timer.stop();
      latency.destroy();
      breakers.destroy();
    },
  };
}
