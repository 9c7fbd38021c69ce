// How the providers of a chain compare: the table, and a second one for those whose breaker is open.

import { attr, h, list, show, style, text } from '../dom.js';
import { integer, ms, percent } from '../format.js';
import { providerName, section, successTone, table } from './parts.js';

const COLUMNS = [
  { key: 'rank', label: 'Rank', class: 'number', title: 'By average latency, the fastest first' },
  { key: 'name', label: 'Provider' },
  { key: 'avg', label: 'Avg Latency' },
  { key: 'p50', label: 'P50', class: 'number' },
  { key: 'p95', label: 'P95', class: 'number' },
  { key: 'p99', label: 'P99', class: 'number' },
  { key: 'spread', label: 'P99/P50', class: 'number', title: 'How even the latency is: below 2 is even, 5 and more is not' },
  { key: 'success', label: 'Success Rate', class: 'number' },
  { key: 'calls', label: 'Total Calls', class: 'number' },
];

const spreadTone = (ratio) => (ratio == null ? '' : ratio < 2 ? 'good' : ratio < 5 ? 'fair' : 'bad');

/** One line a provider with calls: the figures of the page, with percentiles and state as the live data has them. */
export function rowsOf(metrics, store) {
  const rows = metrics.providers.map((row) => {
    const live = store.provider(metrics.chain, row.id);
    const [p50, p95, p99] = ['p50', 'p95', 'p99'].map((name) => row[`${name}_latency_ms`] ?? live?.[`${name}_ms`] ?? null);
    return {
      id: row.id, name: row.name || row.id, status: live?.status ?? 'unknown',
      avg: row.total_calls * row.success_rate > 0 ? row.avg_latency_ms : null,
      p50, p95, p99, spread: p50 > 0 && p99 !== null ? p99 / p50 : null,
      success: row.success_rate * 100, calls: row.total_calls,
    };
  });
  rows.sort((a, b) => (a.avg ?? Infinity) - (b.avg ?? Infinity));
  const open = rows.filter((row) => row.status === 'circuit_open');
  const closed = rows.filter((row) => row.status !== 'circuit_open');
  closed.forEach((row, i) => { row.rank = i + 1; });
  return { open, closed };
}

/** Both tables. `onProvider(id)` hears of a provider that is asked for. */
export function providerTables(onProvider) {
  const main = providerTable('Provider performance', onProvider, true);
  const dimmed = providerTable('Providers with an open circuit breaker', onProvider, false);
  const none = h('p', { class: 'quiet pad', data: { note: 'unused' } });
  const element = section('Provider Performance', { name: 'providers', note: 'Calls of the last 24 hours, both transports together' }, main.element, none);
  const openElement = section('Circuit Open', { name: 'circuit-open', note: 'No calls go there until a probe succeeds' }, dimmed.element);
  openElement.classList.add('dimmed');
  show(openElement, false);
  return {
    elements: [element, openElement],
    update({ open, closed }, unused) {
      main.update(closed);
      dimmed.update(open);
      show(main.element, closed.length > 0);
      show(openElement, open.length > 0);
      show(none, unused.length > 0);
      text(none, `No calls in this time: ${unused.join(', ')}`);
    },
  };
}

function providerTable(caption, onProvider, ranked) {
  const columns = ranked ? COLUMNS : COLUMNS.slice(1);
  const { element, body, heads } = table(caption, columns);
  let order = { key: 'avg', down: false };
  let rows = [];

  heads.forEach((head, i) => {
    const { key, label } = columns[i];
    const sort = () => {
      order = { key, down: order.key === key ? !order.down : key === 'calls' || key === 'success' };
      draw();
    };
    head.replaceChildren(h('button', { type: 'button', class: 'sort', data: { sort: key }, on: { click: sort } }, label));
  });

  const create = (row) => {
    const open = () => onProvider(row.id);
    const name = h('button', { type: 'button', class: 'link', title: 'Show this provider in the overview', on: { click: open } }, providerName(row.name, row.status));
    const bar = h('i');
    const cells = columns.map(({ key, class: className }) => h('td', { class: className, data: { cell: key } }));
    const line = h('tr', { data: { provider: row.id } }, cells);
    line.parts = Object.fromEntries(columns.map(({ key }, i) => [key, cells[i]]));
    line.parts.name.append(name);
    line.parts.avgText = h('span', { class: 'number' });
    line.parts.avg.append(h('div', { class: 'measure' }, line.parts.avgText, h('div', { class: 'bar' }, bar)));
    line.parts.bar = bar;
    return line;
  };

  function draw() {
    const by = (row) => row[order.key === 'rank' ? 'avg' : order.key];
    const sorted = [...rows].sort((a, b) => {
      const [one, other] = order.down ? [by(b), by(a)] : [by(a), by(b)];
      if (typeof one === 'string') return one.localeCompare(other);
      // What is not known stands last, whichever way round.
      if (one == null || other == null) return (by(a) == null) - (by(b) == null);
      return one - other;
    });
    heads.forEach((head, i) => attr(head, 'aria-sort', columns[i].key === order.key ? (order.down ? 'descending' : 'ascending') : null));
    const slowest = Math.max(...rows.map((row) => row.avg ?? 0), 1e-9);
    list(body, sorted, (row) => row.id, create, (line, row) => {
      const { parts } = line;
      if (parts.rank) text(parts.rank, row.rank);
      attr(parts.name.querySelector('.dot'), 'data-status', row.status);
      text(parts.avgText, ms(row.avg));
      style(parts.bar, '--part', `${((row.avg ?? 0) / slowest) * 100}%`);
      for (const name of ['p50', 'p95', 'p99']) text(parts[name], ms(row[name]));
      text(parts.spread, row.spread == null ? '–' : `${row.spread.toFixed(1)}×`);
      attr(parts.spread, 'data-tone', spreadTone(row.spread));
      text(parts.success, percent(row.success));
      attr(parts.success, 'data-tone', successTone(row.success));
      text(parts.calls, integer(row.calls));
    });
  }

  return {
    element,
    update(next) {
      rows = next;
      draw();
    },
  };
}
