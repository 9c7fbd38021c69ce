// Where requests went: the last ones as they come, one of them in full, and what would happen to a call.

import { attr, h, show, text } from '../dom.js';
import { clock, cut, integer, ms, strategy } from '../format.js';
import { channel, dropdown, empty, field, page, section, sheets, table } from './parts.js';
import { dryRun } from './decisions-dry-run.js';
import { nameOf, resultPill, showRequest } from './decisions-request.js';
import { tag } from './explanation.js';

await sheets('parts', 'charts', 'decisions');

const KEPT = 200;
/** Faster than this nobody reads. */
const DRAW_MS = 250;

export function mount(root, { store, router }) {
  const [listPage, requestPage] = ['list', 'request'].map((name) => h('div', { class: 'page decisions', data: { decisions: name } }));
  root.append(listPage, requestPage);
  const recent = recentRequests(listPage, store, router);
  let [shown, reading] = [undefined, null];

  const arrive = ({ request, tab }) => {
    if (tab !== 'decisions' || request === shown) return;
    shown = request;
    show(listPage, !request);
    show(requestPage, Boolean(request));
    reading?.abort();
    reading = new AbortController();
    if (request) showRequest(requestPage, request, { signal: reading.signal, onBack: () => router.go({ request: null }), onOther: (request) => router.go({ request }) });
  };
  const off = router.on(arrive);
  arrive(router.current());
  return {
    unmount() {
      off();
      reading?.abort();
      recent.destroy();
    },
  };
}

function recentRequests(root, store, router) {
  let decisions = [];
  let [fresh, seen, drawn] = [0, 0, 0];
  let [drawing, reading] = [null, null];

  const filters = {
    chain: dropdown('Chain', 'chain', [['', 'All chains']], '', () => { providers(); read(); }),
    provider: dropdown('Provider', 'provider', [['', 'All providers']], '', () => read()),
    method: field('Method', { name: 'method', placeholder: 'Any', on: { change: () => read() } }),
    result: dropdown('Result', 'result', [['', 'Any'], ['success', 'Success'], ['error', 'Error'], ['cancelled', 'Cancelled']], '', () => read()),
    origin: dropdown('From', 'origin', [['', 'Anybody'], ['client', 'Clients'], ['system', 'The router']], '', () => read()),
  };
  const live = h('button', { type: 'button', class: 'button live', 'aria-pressed': 'true', on: { click: () => follow(!following()) } }, h('i', { class: 'dot', data: { status: 'healthy' } }), 'Live');
  const news = h('span', { class: 'quiet', data: { fresh: '' } });
  const { element: box, update } = table('Recent requests', columns(router), keyOf, (row) => ({ request: nameOf(row), result: row.result }));
  const nothing = h('div');
  root.append(h('h1', { class: 'sr-only' }, 'Decisions'), dryRun(store),
    section('Recent Requests', { name: 'recent', extra: [news, live] }, h('div', { class: 'controls' }, Object.values(filters).map((one) => one.element)), box, nothing));

  /** Rows that move under the pointer cannot be clicked: while somebody points at them they stay. */
  const held = () => box.matches(':hover') || box.contains(document.activeElement);
  box.addEventListener('pointerleave', () => later());
  box.addEventListener('click', ({ target }) => {
    const line = target.closest('[data-request]');
    if (line && !target.closest('a')) router.go({ request: line.dataset.request });
  });

  const following = () => live.getAttribute('aria-pressed') === 'true';
  function follow(wanted) {
    attr(live, 'aria-pressed', String(wanted));
    if (wanted) read();
  }

  const wanted = () => Object.fromEntries(Object.entries(filters).map(([name, one]) => [name, one.value()]));
  const matches = (decision) => Object.entries(wanted()).every(([name, value]) => !value || decision[name] === value);

  async function read() {
    reading?.abort();
    const mine = new AbortController();
    reading = mine;
    if (!store.state.profile) return;
    try {
      decisions = (await page('/api/requests', { ...wanted(), limit: KEPT }, mine.signal)).requests;
      seen = store.state.events.at(-1)?.id ?? 0;
      draw(true);
    } catch (error) {
      if (!mine.signal.aborted) nothing.replaceChildren(empty('The requests could not be read', error.message));
    }
  }

  function providers() {
    const chain = filters.chain.value();
    const ids = new Set([...store.state.providers.values()].filter((one) => !chain || one.chain === chain).map((one) => one.id));
    filters.provider.fill([['', 'All providers'], ...[...ids].sort().map((id) => [id, id])]);
  }

  function choices(keys) {
    const { state } = store;
    filters.chain.fill([['', 'All chains'], ...[...state.chains.values()].map((chain) => [chain.key, chain.name ?? chain.key])]);
    providers();
    // Another profile, or what was missed while the line was down.
    if (keys.has('profile')) read();
  }

  function hear() {
    // After a restart the events are counted from the beginning.
    if ((store.state.events.at(-1)?.id ?? 0) < seen) seen = 0;
    const known = new Set(decisions.map(keyOf));
    const added = store.state.events.filter((event) => event.id > seen && event.kind === 'decision' && matches(event) && !known.has(keyOf(event)));
    seen = store.state.events.at(-1)?.id ?? 0;
    if (added.length === 0) return;
    decisions = [...added.reverse(), ...decisions].slice(0, KEPT);
    fresh += added.length;
    later();
  }

  function later() {
    drawing ??= setTimeout(() => {
      drawing = null;
      draw(following() && !held());
    }, Math.max(0, DRAW_MS - (performance.now() - drawn)));
  }

  function draw(move) {
    drawn = performance.now();
    if (move) {
      fresh = 0;
      update(decisions);
    }
    text(news, fresh > 0 ? `${integer(fresh)} new` : '');
    const any = decisions.length > 0;
    show(box, any);
    nothing.replaceChildren(any ? '' : Object.values(wanted()).some(Boolean)
      ? empty('No request matches', 'Nothing among the decisions that are kept meets these conditions.')
      : empty('No requests yet', 'Each request appears here as soon as it is answered. Send one, or start the request tester in the overview.'));
  }

  const offs = [store.on(['profile', 'chains', 'providers'], choices), store.on(['events'], hear)];
  choices(new Set(['profile']));
  return {
    destroy() {
      for (const off of offs) off();
      clearTimeout(drawing);
      reading?.abort();
    },
  };
}

/** A client may use the name of a request twice. */
const keyOf = (row) => `${nameOf(row)} ${row.method} ${row.ts} ${row.duration_ms}`;

const columns = (router) => [
  { label: 'Time', class: 'quiet mono', value: ({ ts }) => clock(ts) },
  {
    label: 'Method', head: true,
    make(cell, row) {
      const { method, origin } = row;
      const request = nameOf(row);
      const open = (event) => {
        event.preventDefault();
        router.go({ request });
      };
      cell.append(h('a', { class: 'mono', href: router.href({ tab: 'decisions', request }), on: { click: open } }, method), origin === 'system' ? tag('system') : '');
    },
  },
  { label: 'Chain', value: ({ chain }) => chain },
  { label: 'Provider', make: (cell, { provider, transport }) => { cell.append(provider ? channel(cut(provider, 18), transport) : 'none'); } },
  { label: 'Result', make: (cell, { result, error }) => { cell.append(resultPill(result), error ? tag(error.code) : ''); } },
  { label: 'Duration', class: 'number', value: (row) => ms(row.duration_ms) },
  { label: 'Upstream', class: 'number', value: (row) => (row.provider ? ms(row.upstream_ms) : '–') },
  { label: 'Failovers', class: 'number', value: (row) => (row.failovers ? `↻ ${row.failovers}` : '0'), tone: (row) => row.failovers && 'fair' },
  { label: 'Strategy', class: 'quiet', value: (row) => (row.strategy ? strategy(row.strategy) : '–') },
];
