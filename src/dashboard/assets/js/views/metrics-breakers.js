// What the breakers of a chain were, and when and why they changed.

import { h, show } from '../dom.js';
import { date, words } from '../format.js';
import { timeline } from '../charts/timeline.js';
import { choice, empty, page, section } from './parts.js';

const RANGES = [['1h', '1 h', 3600], ['6h', '6 h', 21_600], ['24h', '24 h', 86_400], ['7d', '7 d', 604_800]];

export function breakersOverTime(store) {
  let chain = null;
  const reread = () => chain && read(chain).catch(failed);
  const range = choice('Range', 'breaker-range', RANGES.map(([value, label]) => ({ value, label })), '1h', reread);
  const columns = ['Time', 'Provider', 'Transport', 'From', 'To', 'Reason', 'Category'];
  const chart = timeline({ label: 'Circuit breakers over time', columns });
  const key = h('div', { class: 'chart-legend' }, [['closed', 'Closed'], ['half_open', 'Half open'], ['open', 'Open'], ['unknown', 'Not recorded']].map(([state, label]) =>
    h('span', { class: 'legend-item' }, h('i', { class: `swatch span ${state}` }), label)));
  const charts = h('div', null, chart.element, key);
  const nothing = h('div');
  const element = section('Circuit Breakers', { name: 'breakers', note: 'Every change, with its reason', extra: range.element }, charts, nothing);

  function say(title, why) {
    nothing.replaceChildren(...(title ? [empty(title, why)] : []));
    show(charts, !title);
  }

  function failed(error) {
    if (error.name !== 'AbortError') say('The changes could not be read', error.message);
  }

  async function read(nextChain, signal) {
    chain = nextChain;
    const providers = store.providersOf(chain);
    if (providers.length === 0) return say('No providers', `${chain} has no providers in this profile.`);
    const [, , seconds] = RANGES.find(([value]) => value === range.value());
    const to = store.now();
    const from = to - seconds * 1000;
    const { transitions } = await page('/api/breakers', { chain, from: Math.floor(from / 1000), to: Math.ceil(to / 1000) }, signal);
    say(null);
    draw({ from, to, transitions: transitions.sort((a, b) => a.ts - b.ts), providers });
  }

  function draw({ from, to, transitions, providers }) {
    const started = store.state.node?.started ?? from;
    const rows = providers.flatMap((provider) => provider.transports.map((transport) => ({ provider, transport })));
    const spans = rows.map(({ provider, transport }) => {
      const own = transitions.filter((one) => one.provider === provider.id && one.transport === transport);
      return { name: `${provider.id} · ${transport}`, spans: states(own, provider.breakers?.[transport]?.state ?? 'closed', { from, to, started }) };
    });
    const changes = transitions.flatMap((one) => {
      const row = rows.findIndex(({ provider, transport }) => provider.id === one.provider && transport === one.transport);
      return row < 0 ? [] : [change(one, row)];
    });
    chart.update({ from, to, rows: spans, changes });
  }

  return { element, update: read, failed, destroy: chart.destroy };
}

function change({ ts, provider, transport, from, to, reason, category }, row) {
  const lines = [
    { text: 'change', value: `${words(from)} → ${words(to)}` },
    { text: 'reason', value: words(reason) },
    ...(category ? [{ text: 'category', value: category }] : []),
  ];
  return { ts, row, title: `${date(ts)} ${provider} · ${transport}`, lines, cells: [date(ts), provider, transport, words(from), words(to), words(reason), category ?? '–'] };
}

/**
 * The states between two changes. Before the first change a breaker was what that one changed from, as far back as the
 * process ran; what was before that and is not recorded stays open. A start closes every breaker.
 */
function states(changes, now, { from, to, started }) {
  const spans = [];
  let at = Math.max(from, Math.min(started, changes[0]?.ts ?? started));
  let state = changes[0]?.from ?? now;
  for (const one of changes) {
    if (at < started && started < one.ts) {
      spans.push({ from: at, to: started, state });
      at = started;
      state = one.from;
    }
    spans.push({ from: at, to: one.ts, state });
    [at, state] = [one.ts, one.to];
  }
  if (at < started && started < to) {
    spans.push({ from: at, to: started, state });
    [at, state] = [started, now];
  }
  spans.push({ from: at, to, state });
  return spans.filter((span) => span.to > span.from);
}
