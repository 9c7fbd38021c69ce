// What the breakers of a chain were, and when and why they changed.

import { h, show } from '../dom.js';
import { date, words } from '../format.js';
import { timeline } from '../charts/timeline.js';
import { empty, page, ranges, section } from './parts.js';

const STATES = [['closed', 'Closed'], ['half_open', 'Half open'], ['open', 'Open'], ['unknown', 'Not recorded']];

export function breakersOverTime(store) {
  let chain = null;
  const range = ranges('breaker-range', () => chain && read(chain).catch(failed));
  const chart = timeline({ label: 'Circuit breakers over time', columns: ['Time', 'Provider', 'Transport', 'From', 'To', 'Reason', 'Category'] });
  const key = h('div', { class: 'chart-legend' }, STATES.map(([state, label]) => h('span', { class: 'legend-item' }, h('i', { class: `swatch span ${state}` }), label)));
  chart.element.firstChild.after(key);
  const charts = chart.element;
  const nothing = h('div');

  function say(title, why) {
    nothing.replaceChildren(title ? empty(title, why) : '');
    show(charts, !title);
  }

  function failed(error) {
    if (error.name !== 'AbortError') say('The changes could not be read', error.message);
  }

  async function read(nextChain, signal) {
    chain = nextChain;
    const providers = store.providersOf(chain);
    if (providers.length === 0) return say('No providers', `${chain} has no providers in this profile.`);
    const to = store.now();
    const from = to - range.seconds() * 1000;
    const { transitions } = await page('/api/breakers', { chain, from: Math.floor(from / 1000), to: Math.ceil(to / 1000) }, signal);
    say(null);
    transitions.sort((a, b) => a.ts - b.ts);
    const started = store.state.node?.started ?? from;
    const channels = providers.flatMap(({ id, transports, breakers }) => transports.map((transport) => ({ id, transport, now: breakers?.[transport]?.state ?? 'closed' })));
    const isOf = ({ id, transport }) => (one) => one.provider === id && one.transport === transport;
    chart.update({
      from, to,
      rows: channels.map((one) => ({ name: `${one.id} · ${one.transport}`, spans: spans(transitions.filter(isOf(one)), one.now, { from, to, started }) })),
      changes: transitions.map((one) => change(one, channels.findIndex((row) => isOf(row)(one)))).filter(({ row }) => row >= 0),
    });
  }

  return {
    element: section('Circuit Breakers', { name: 'breakers', note: 'Every change, with its reason', extra: range.element }, charts, nothing),
    update: read, failed, destroy: chart.destroy,
  };
}

function change({ ts, provider, transport, from, to, reason, category }, row) {
  const lines = [['change', `${words(from)} → ${words(to)}`], ['reason', words(reason)], ['category', category ?? '–']].map(([text, value]) => ({ text, value }));
  return { ts, row, title: `${date(ts)} ${provider} · ${transport}`, lines, cells: [date(ts), provider, transport, words(from), words(to), words(reason), category ?? '–'] };
}

/**
 * The states between the changes of one breaker. Before its first change it was what that one changed from, as far back
 * as the process ran; a start closes every breaker; what was before that and is not recorded is left out.
 */
function spans(changes, now, { from, to, started }) {
  const made = [];
  let at = Math.max(from, Math.min(started, changes[0]?.ts ?? started));
  let state = changes[0]?.from ?? now;
  for (const next of [...changes, { ts: to, from: now, to: now }]) {
    if (at < started && started < next.ts) {
      made.push({ from: at, to: started, state });
      [at, state] = [started, next.from];
    }
    made.push({ from: at, to: next.ts, state });
    [at, state] = [next.ts, next.to];
  }
  return made.filter((span) => span.to > span.from);
}
