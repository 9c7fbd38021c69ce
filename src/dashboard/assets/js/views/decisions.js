// Where requests went: the last ones as they come, one of them in full, and what would happen to a call.

import { attr, h, list, show, text } from '../dom.js';
import { clock, cut, integer, ms, strategy } from '../format.js';
import { dropdown, empty, page, section, sheets, table } from './parts.js';
import { dryRun } from './decisions-dry-run.js';
import { resultPill, showRequest } from './decisions-request.js';

await sheets('parts', 'charts', 'decisions');

const KEPT = 200;
/** Faster than this nobody reads. */
const DRAW_MS = 250;

const COLUMNS = [
  { label: 'Time' }, { label: 'Method' }, { label: 'Chain' }, { label: 'Provider' }, { label: 'Result' },
  { label: 'Duration', class: 'number' }, { label: 'Upstream', class: 'number' }, { label: 'Failovers', class: 'number' }, { label: 'Strategy' },
];
const RESULTS = [['', 'Any'], ['success', 'Success'], ['error', 'Error']];

export function mount(root, { store, router }) {
  const listPage = h('div', { class: 'page decisions', data: { decisions: 'list' } });
  const requestPage = h('div', { class: 'page decisions', data: { decisions: 'request' } });
  root.append(listPage, requestPage);
  const recent = recentRequests(listPage, { store, router });
  let shown;
  let reading = null;

  const place = ({ request, tab }) => {
    if (tab !== 'decisions' || request === shown) return;
    shown = request;
    show(listPage, !request);
    show(requestPage, Boolean(request));
    reading?.abort();
    reading = new AbortController();
    if (request) showRequest(requestPage, request, { signal: reading.signal, onBack: () => router.go({ request: null }) });
    else recent.focus();
  };
  const off = router.on(place);
  place(router.current());
  return {
    unmount() {
      off();
      reading?.abort();
      recent.destroy();
    },
  };
}

function recentRequests(root, { store, router }) {
  let decisions = [];
  let fresh = 0;
  let seen = store.state.events.at(-1)?.id ?? 0;
  let profile = null;
  let drawing = null;
  let reading = null;
  let last = null;

  const filters = {
    chain: dropdown('Chain', 'chain', [['', 'All chains']], '', () => { providers(); read(); }),
    provider: dropdown('Provider', 'provider', [['', 'All providers']], '', () => read()),
    method: methodField(() => read()),
    result: dropdown('Result', 'result', RESULTS, '', () => read()),
  };
  const live = h('button', { type: 'button', class: 'button live', 'aria-pressed': 'true', on: { click: () => follow(live.getAttribute('aria-pressed') !== 'true') } }, h('i', { class: 'dot', data: { status: 'healthy' } }), 'Live');
  const news = h('span', { class: 'quiet', data: { fresh: '' } });
  const { element: box, body } = table('Recent requests', COLUMNS);
  const nothing = h('div');
  root.append(h('h1', { class: 'sr-only' }, 'Decisions'), dryRun(store),
    section('Recent Requests', { name: 'recent', extra: h('div', { class: 'live-end' }, news, live) },
      h('div', { class: 'controls' }, Object.values(filters).map((one) => one.element)), box, nothing));

  /** Rows that move under the pointer cannot be clicked: while somebody points at them they stay. */
  const held = () => box.matches(':hover') || box.contains(document.activeElement);
  box.addEventListener('pointerleave', () => later());

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
      const answer = await page('/api/requests', { ...wanted(), limit: KEPT }, mine.signal);
      decisions = answer.requests;
      fresh = 0;
      seen = store.state.events.at(-1)?.id ?? seen;
      draw(true);
    } catch (error) {
      if (mine.signal.aborted) return;
      nothing.replaceChildren(empty('The requests could not be read', error.message));
    }
  }

  function providers() {
    const chain = filters.chain.value();
    const ids = new Set([...store.state.providers.values()].filter((one) => !chain || one.chain === chain).map((one) => one.id));
    filters.provider.fill([['', 'All providers'], ...[...ids].sort().map((id) => [id, id])]);
  }

  function choices() {
    const { state } = store;
    const chains = [...state.chains.values()].map((chain) => [chain.key, chain.name ?? chain.key]);
    filters.chain.fill([['', 'All chains'], ...chains]);
    providers();
    if (state.profile === profile) return;
    profile = state.profile;
    decisions = [];
    read();
  }

  function hear() {
    const heard = store.state.events.filter(({ id, kind }) => id > seen && kind === 'decision');
    seen = store.state.events.at(-1)?.id ?? seen;
    const known = new Set(decisions.map(keyOf));
    const added = heard.filter((decision) => matches(decision) && !known.has(keyOf(decision)));
    filters.method.learn(heard);
    if (added.length === 0) return;
    decisions = [...added.reverse(), ...decisions].slice(0, KEPT);
    fresh += added.length;
    later();
  }

  function later() {
    const wait = Math.max(0, DRAW_MS - (performance.now() - (last ?? 0)));
    drawing ??= setTimeout(() => {
      drawing = null;
      draw(following() && !held());
    }, wait);
  }

  function draw(move) {
    last = performance.now();
    if (move) {
      fresh = 0;
      list(body, decisions, keyOf, row);
      filters.method.learn(decisions);
    }
    text(news, fresh > 0 ? `${integer(fresh)} new` : '');
    const any = decisions.length > 0;
    show(box, any);
    show(nothing, !any);
    if (any) return;
    const filtered = Object.values(wanted()).some(Boolean);
    nothing.replaceChildren(filtered
      ? empty('No request matches', 'Nothing among the decisions that are kept has this chain, provider, method and result.')
      : empty('No requests yet', 'Each request appears here as soon as it is answered. Send one, or start the request tester in the overview.'));
  }

  function row(decision) {
    const { ts, request_id: id, method, chain, provider, transport, result, error, duration_ms: took, upstream_ms: upstream, failovers, strategy: name, origin } = decision;
    const open = (event) => {
      event.preventDefault();
      router.go({ tab: 'decisions', request: id });
    };
    const line = h('tr', { data: { request: id, result } },
      h('td', null, h('time', null, clock(ts))),
      h('th', { scope: 'row' }, h('a', { class: 'mono', href: router.href({ tab: 'decisions', request: id }), on: { click: open } }, method), origin === 'system' && h('small', { class: 'tag' }, 'system')),
      h('td', null, chain),
      h('td', null, provider ? h('span', { class: 'channel', title: provider }, cut(provider, 18), h('small', null, transport)) : h('span', { class: 'quiet' }, 'the router')),
      h('td', null, resultPill(result), error && h('small', { class: 'tag' }, error.code)),
      h('td', { class: 'number' }, ms(took)), h('td', { class: 'number' }, provider ? ms(upstream) : '–'),
      h('td', { class: 'number', data: { tone: failovers > 0 ? 'fair' : null } }, failovers > 0 ? `↻ ${failovers}` : '0'),
      h('td', { class: 'quiet' }, name ? strategy(name) : '–'));
    line.addEventListener('click', (event) => event.target.closest('a') || open(event));
    return line;
  }

  const offs = [store.on(['profile', 'chains', 'providers'], choices), store.on(['events'], hear)];
  choices();
  return {
    focus() {
      if (document.activeElement === document.body) box.focus({ preventScroll: true });
    },
    destroy() {
      for (const off of offs) off();
      clearTimeout(drawing);
      reading?.abort();
    },
  };
}

/** The items of a batch share the name of the request. */
const keyOf = ({ request_id: id, method, ts, duration_ms: took }) => `${id} ${method} ${ts} ${took}`;

function methodField(onChange) {
  const known = new Set();
  const options = h('datalist', { id: 'decision-methods' });
  const input = h('input', { name: 'method', list: 'decision-methods', placeholder: 'Any', autocomplete: 'off', spellcheck: 'false', on: { change: onChange } });
  return {
    element: h('label', { class: 'field' }, h('span', { class: 'field-name' }, 'Method'), input, options),
    value: () => input.value.trim(),
    learn(decisions) {
      for (const { method } of decisions) {
        if (known.has(method) || known.size >= 100) continue;
        known.add(method);
        options.append(h('option', { value: method }));
      }
    },
  };
}
