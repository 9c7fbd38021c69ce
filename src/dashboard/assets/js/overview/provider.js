// One provider of a chain: in step or not, how it does, its breakers, what is wrong with it, and its methods.

import { data, h, list, show, text } from '../dom.js';
import { clock, duration, integer, ms, percent, words } from '../format.js';
import { statusOf } from '../status.js';
import { breakerRows } from './breaker.js';
import { bar, figures, fill, section } from './parts.js';
import { ALL, regionTabs } from './regions.js';

const METHODS = 6;
const EVENTS = 15;
/** Texts longer than this are folded. */
const LONG = 80;
/** Heights older than this say that asking fails, not that the provider is behind. */
const STALE = 60_000;

export function providerView({ store, router }, chain, id) {
  let region = ALL;
  const regions = regionTabs((next) => {
    region = next;
    update();
  });
  const reporting = h('span', { class: 'muted' });
  const elsewhere = h('p', { class: 'notice' }, 'Nothing is known from this region yet.');
  const facts = figures({ id: 'Chain ID', transports: 'Transports', link: 'WebSocket' });
  const sync = { own: h('span', { class: 'mono number' }), state: h('strong', { class: 'sync-state' }), line: h('span', { class: 'muted' }), bar: bar() };
  const syncRow = h('div', { class: 'sync' }, h('div', { class: 'sync-line' }, sync.own, sync.state), sync.bar, sync.line);
  const speed = figures({ p50: 'p50', p95: 'p95', success: 'Success', share: 'Traffic' });
  const breakers = breakerRows();
  const issues = h('ul', { class: 'issues' });
  const noIssues = h('p', { class: 'muted' }, 'None.');
  const events = h('ul', { class: 'issues events' });
  const eventsTitle = h('h3', null, 'Recent');
  const rows = h('tbody', null);
  const methods = h('table', null, h('thead', null, h('tr', null, h('th', { scope: 'col' }, 'Method'), ['p50', 'Success', 'Calls'].map((label) => h('th', { scope: 'col', class: 'number' }, label)))), rows);
  const noMethods = h('p', { class: 'muted' }, 'No calls yet.');
  const parts = h('div', { class: 'parts' }, section('Sync', syncRow), section('Performance', speed.row), section('Circuit breaker', breakers.rows),
    section('Issues', issues, noIssues, eventsTitle, events), section('Methods', methods, noMethods));

  const get = () => store.provider(chain, id);

  function update() {
    const provider = get();
    const all = store.state.cluster?.regions?.length ? store.state.cluster.regions : [provider.region];
    regions.set(all, region, (one) => one === provider.region && provider.issues.some(({ severity }) => severity !== 'info'));
    text(reporting, `${store.state.cluster?.responding ?? 1}/${store.state.cluster?.total ?? 1} regions`);
    const seen = region === ALL || region === provider.region;
    show(parts, seen);
    show(elsewhere, !seen);
    const heard = store.now() - provider.at;
    const left = (wait) => (wait == null ? null : Math.max(0, wait - heard));
    const { chain_id: chainId, height: consensus } = store.state.chains.get(chain) ?? {};
    facts.set({ id: String(chainId ?? '–'), transports: transports(provider.transports), link: words(provider.link?.state ?? 'none') });
    showSync(provider, consensus, heard);
    speed.set({ p50: ms(provider.p50_ms), p95: ms(provider.p95_ms), success: percent(provider.success_rate), share: percent(provider.traffic_share) });
    breakers.set(provider.breakers, left, region === ALL ? store.state.cluster?.responding ?? 1 : 0);
    showIssues(provider, left);
    showEvents();
    const busiest = [...provider.methods].sort((a, b) => b.calls - a.calls).slice(0, METHODS);
    show(methods, busiest.length > 0);
    show(noMethods, busiest.length === 0);
    const most = busiest[0]?.calls ?? 1;
    list(rows, busiest, ({ method }) => method, () => h('tr', null, h('td', null, h('span', { class: 'mono' }), bar()), h('td', { class: 'number' }), h('td', { class: 'number' }), h('td', { class: 'number' })), (row, one) => {
      const [name, speedCell, success, calls] = row.children;
      text(name.firstChild, one.method);
      fill(name.lastChild, (100 * one.calls) / most, one.success_rate >= 99 ? 'healthy' : one.success_rate >= 95 ? 'testing_recovery' : 'circuit_open');
      text(speedCell, ms(one.p50_ms));
      text(success, percent(one.success_rate));
      text(calls, integer(one.calls));
    });
  }

  function showSync({ height, lag, height_age_ms: age, polling_failing: failing }, consensus, heard) {
    const state = lag == null ? 'unknown' : lag <= 2 ? 'healthy' : lag <= 10 ? 'degraded' : 'down';
    data(syncRow, 'status', state);
    text(sync.own, height == null ? 'No block known' : `Block ${integer(height)}`);
    text(sync.state, lag == null ? 'Unknown' : lag <= 0 ? 'Synced' : `-${lag}`);
    fill(sync.bar, lag == null ? 0 : Math.max(8, 100 - lag * 6), state);
    const old = age == null ? null : age + heard;
    const stale = failing || (old != null && old > STALE);
    text(sync.line, `Consensus ${integer(consensus)}${old == null ? '' : ` · heard ${duration(old)} ago`}${stale ? ' · asking for blocks fails' : ''}`);
  }

  function showIssues({ issues: active }, left) {
    show(noIssues, active.length === 0);
    list(issues, active, ({ kind, transport }) => `${kind}/${transport}`, () => h('li', { class: 'issue' }, h('span', { class: 'issue-mark', role: 'img' }), h('div', null)), (node, issue) => {
      const rest = left(issue.retry_after_ms);
      data(node, 'severity', issue.severity);
      data(node, 'kind', issue.kind);
      node.firstChild.setAttribute('aria-label', words(issue.severity));
      foldable(node.lastChild, issue.text, rest ? ` · ${duration(rest)} left` : '');
    });
  }

  function showEvents() {
    const recent = store.state.events.filter((event) => event.chain === chain && event.provider === id && EVENT[event.kind]?.(event)).slice(-EVENTS).reverse();
    show(eventsTitle, recent.length > 0);
    list(events, recent, (event) => event.id, (event) => {
      const words = h('div', null);
      foldable(words, EVENT[event.kind](event), '');
      const open = event.kind === 'decision' && h('button', { type: 'button', class: 'link', on: { click: () => router.go({ tab: 'decisions', request: event.request_id }) } }, 'Why');
      return h('li', { class: 'issue', data: { kind: event.kind } }, h('time', { class: 'muted' }, clock(event.ts)), words, open);
    });
  }

  return {
    name: 'provider',
    chain,
    body: [facts.row, h('div', { class: 'region-row' }, regions.box, reporting), elsewhere, parts],
    exists: () => get() != null,
    heading() {
      const { name, status } = get();
      return { name, status, label: statusOf(status).label, details: '' };
    },
    update,
  };
}

const transports = (kinds) => (kinds.length > 1 ? 'HTTP + WS' : kinds[0] === 'ws' ? 'WS only' : 'HTTP only');

/** What the events of a provider say; nothing for those that are no news. */
const EVENT = {
  breaker: ({ transport, from, to, category, code, message }) =>
    `${transport.toUpperCase()} breaker ${words(from).toLowerCase()} → ${words(to).toLowerCase()}${category ? `: ${category}${code == null ? '' : ` ${code}`}` : ''}${message ? ` ${message}` : ''}`,
  link: ({ state, unexpected }) => `WebSocket ${state}${unexpected ? ', unexpectedly' : ''}`,
  stream: ({ topic, change, detail }) => `Stream ${topic} ${change}${detail ? `: ${detail}` : ''}`,
  decision: ({ result, method, error }) => (result === 'error' ? `${method} failed${error ? `: ${error.category ?? ''} ${error.code}` : ''}` : null),
};

/** A text that shows its beginning and unfolds, if it is long. */
function foldable(box, full, after) {
  const whole = full + after;
  if (whole.length <= LONG) {
    text(box, whole);
    return;
  }
  if (box.firstElementChild?.tagName !== 'DETAILS') box.replaceChildren(h('details', null, h('summary', null), h('p', null)));
  const [summary, rest] = box.firstElementChild.children;
  text(summary, `${full.slice(0, LONG - after.length - 1).trimEnd()}…${after}`);
  text(rest, full);
}
