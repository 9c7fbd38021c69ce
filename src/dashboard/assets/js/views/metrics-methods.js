// A card a method: which provider answers it fastest.

import { h, list, style, text } from '../dom.js';
import { integer, ms, percent } from '../format.js';
import { section, successTone, table } from './parts.js';

const calls = (method) => method.providers.reduce((sum, row) => sum + row.total_calls, 0);
const latency = (row) => (row.success_rate > 0 ? row.avg_latency_ms : null);

/** The methods of a page of metrics, the most called first. */
export function byCalls(metrics) {
  return [...metrics.rpc_performance_by_method].sort((a, b) => calls(b) - calls(a) || a.method.localeCompare(b.method));
}

const COLUMNS = [
  { label: 'Provider', head: true, class: 'name', value: (row) => row.provider_name || row.provider_id },
  {
    label: h('span', { class: 'sr-only' }, 'Compared'), class: 'wide',
    make(cell) {
      const bar = h('i');
      cell.append(h('div', { class: 'bar' }, bar));
      return (row) => style(bar, '--part', row.part);
    },
  },
  { label: 'Avg', class: 'number', value: (row) => ms(latency(row)) },
  { label: 'Success', class: 'number', value: (row) => percent(row.success_rate * 100), tone: (row) => successTone(row.success_rate * 100) },
  { label: 'Calls', class: 'number', value: (row) => integer(row.total_calls) },
];

export function methodCards() {
  const grid = h('div', { class: 'method-cards' });
  const element = section('Methods', { name: 'methods', note: 'The most called first; providers by average latency' }, grid);
  return { element, update: (methods) => list(grid, methods, (method) => method.method, create, update) };
}

function create({ method }) {
  const columns = COLUMNS.map((column) => ({ ...column, label: column.label.cloneNode?.(true) ?? column.label }));
  const rows = table(`Providers of ${method}`, columns, (row) => row.provider_id, (row) => ({ provider: row.provider_id }));
  const total = h('span', { class: 'quiet number' });
  const card = h('article', { class: 'card method-card', data: { method } }, h('header', null, h('h3', { class: 'mono' }, method), total), rows.element);
  card.show = (method) => {
    const sorted = [...method.providers].sort((a, b) => (latency(a) ?? Infinity) - (latency(b) ?? Infinity));
    const slowest = Math.max(...sorted.map(latency), 1e-9);
    rows.update(sorted.map((row) => ({ ...row, part: `${(latency(row) / slowest) * 100}%` })));
    text(total, `${integer(calls(method))} ${calls(method) === 1 ? 'call' : 'calls'}`);
  };
  return card;
}

const update = (card, method) => card.show(method);
