// How the providers of a chain compare: the table, and a second one for those whose breaker is open.

import { attr, h, show, style, text } from '../dom.js';
import { integer, ms, percent } from '../format.js';
import { section, successTone, table } from './parts.js';

const spreadTone = (ratio) => (ratio == null ? null : ratio < 2 ? 'good' : ratio < 5 ? 'fair' : 'bad');

/** One line a provider with calls: the figures of the page, with percentiles and state as the live data has them. */
function rowsOf(metrics, store) {
  const rows = metrics.providers.map((row) => {
    const live = store.provider(metrics.chain, row.id);
    const [p50, p95, p99] = ['p50', 'p95', 'p99'].map((name) => row[`${name}_latency_ms`] ?? live?.[`${name}_ms`] ?? null);
    return {
      id: row.id, name: row.name || row.id, status: live?.status ?? 'unknown', p50, p95, p99,
      avg: row.success_rate > 0 ? row.avg_latency_ms : null, spread: p50 > 0 && p99 !== null ? p99 / p50 : null,
      success: row.success_rate * 100, calls: row.total_calls,
    };
  });
  rows.sort((a, b) => (a.avg ?? Infinity) - (b.avg ?? Infinity));
  const slowest = Math.max(...rows.map((row) => row.avg ?? 0), 1e-9);
  const closed = rows.filter((row) => row.status !== 'circuit_open');
  closed.forEach((row, i) => { row.rank = i + 1; });
  for (const row of rows) row.part = `${((row.avg ?? 0) / slowest) * 100}%`;
  return [closed, rows.filter((row) => row.status === 'circuit_open')];
}

/** Both tables. `onProvider(id)` hears of a provider that is asked for. */
export function providerTables(store, onProvider) {
  const ranked = providerTable('Provider performance', onProvider, true);
  const open = providerTable('Providers with an open circuit breaker', onProvider, false);
  const unused = h('p', { class: 'quiet pad' });
  const element = section('Provider Performance', { name: 'providers', note: 'Calls of the last 24 hours, both transports together' }, ranked.element, unused);
  const openElement = section('Circuit Open', { name: 'circuit-open', note: 'No calls go there until a probe succeeds' }, open.element);
  openElement.classList.add('dimmed');
  return {
    element, openElement,
    update(metrics) {
      const [rows, openRows] = rowsOf(metrics, store);
      ranked.update(rows);
      open.update(openRows);
      show(ranked.element, rows.length > 0);
      show(openElement, openRows.length > 0);
      const heard = new Set(metrics.providers.map((row) => row.id));
      const others = store.providersOf(metrics.chain).filter(({ id }) => !heard.has(id)).map(({ id }) => id);
      show(text(unused, `No calls in this time: ${others.join(', ')}`), others.length > 0);
    },
  };
}

function providerTable(caption, onProvider, ranked) {
  const figure = (key, label, format, tone) => ({ key, label, class: 'number', value: (row) => format(row[key]), tone: tone && ((row) => tone(row[key])) });
  const columns = [
    ranked && { ...figure('rank', 'Rank', String), title: 'By average latency, the fastest first' },
    { key: 'name', label: 'Provider', make: (cell, row) => name(cell, row, onProvider) },
    { key: 'avg', label: 'Avg Latency', make: measure },
    figure('p50', 'P50', ms), figure('p95', 'P95', ms), figure('p99', 'P99', ms),
    { ...figure('spread', 'P99/P50', (ratio) => (ratio == null ? '–' : `${ratio.toFixed(1)}×`), spreadTone), title: 'How even the latency is: below 2 is even, 5 and more is not' },
    figure('success', 'Success Rate', percent, successTone), figure('calls', 'Total Calls', integer),
  ].filter(Boolean);
  const { element, heads, update } = table(caption, columns, (row) => row.id, (row) => ({ provider: row.id }));
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

  function draw() {
    heads.forEach((head, i) => attr(head, 'aria-sort', columns[i].key === order.key && (order.down ? 'descending' : 'ascending')));
    update([...rows].sort((a, b) => {
      const [one, other] = [a[order.key], b[order.key]];
      // What is not known stands last, whichever way round.
      if (one == null || other == null) return (one == null) - (other == null);
      return (typeof one === 'string' ? one.localeCompare(other) : one - other) * (order.down ? -1 : 1);
    }));
  }

  return {
    element,
    update(next) {
      rows = next;
      draw();
    },
  };
}

function name(cell, { id, name }, onProvider) {
  const dot = h('i', { class: 'dot' });
  cell.append(h('button', { type: 'button', class: 'text-link with-dot', title: 'Show this provider in the overview', on: { click: () => onProvider(id) } }, dot, name));
  return (row) => attr(dot, 'data-status', row.status);
}

function measure(cell) {
  const [value, bar] = [h('span', { class: 'number' }), h('i')];
  cell.append(h('div', { class: 'measure' }, value, h('div', { class: 'bar' }, bar)));
  return (row) => {
    text(value, ms(row.avg));
    style(bar, '--part', row.part);
  };
}
