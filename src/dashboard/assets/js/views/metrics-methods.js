// A card a method: which provider answers it fastest.

import { attr, h, list, style, text } from '../dom.js';
import { integer, ms, percent } from '../format.js';
import { section, successTone } from './parts.js';

const calls = (method) => method.providers.reduce((sum, row) => sum + row.total_calls, 0);
const latency = (row) => (row.total_calls * row.success_rate > 0 ? row.avg_latency_ms : Infinity);

/** The methods of a page of metrics, the most called first. */
export function byCalls(metrics) {
  return [...metrics.rpc_performance_by_method].sort((a, b) => calls(b) - calls(a) || a.method.localeCompare(b.method));
}

export function methodCards() {
  const grid = h('div', { class: 'method-cards' });
  const element = section('Methods', { name: 'methods', note: 'The most called first; providers by average latency' }, grid);
  return {
    element,
    update(methods) {
      list(grid, methods, (method) => method.method, create, update);
    },
  };
}

function create(method) {
  const body = h('tbody');
  const total = h('span', { class: 'quiet number' });
  const head = h('tr', null, ['Provider', '', 'Avg', 'Success', 'Calls'].map((label, i) =>
    h('th', { scope: 'col', class: i > 1 ? 'number' : null }, label || h('span', { class: 'sr-only' }, 'Compared'))));
  const caption = h('caption', { class: 'sr-only' }, `Providers of ${method.method}`);
  const card = h('article', { class: 'card method-card', data: { method: method.method } },
    h('header', null, h('h3', { class: 'mono' }, method.method), total), h('table', null, caption, h('thead', null, head), body));
  card.parts = { body, total };
  return card;
}

function update(card, method) {
  const rows = [...method.providers].sort((a, b) => latency(a) - latency(b));
  const slowest = Math.max(...rows.map(latency).filter(Number.isFinite), 1e-9);
  const total = calls(method);
  text(card.parts.total, `${integer(total)} ${total === 1 ? 'call' : 'calls'}`);
  list(card.parts.body, rows, (row) => row.provider_id, createRow, (line, row) => {
    const [, bar, avg, success, count] = line.children;
    const known = Number.isFinite(latency(row));
    style(bar.querySelector('i'), '--part', `${known ? (latency(row) / slowest) * 100 : 0}%`);
    text(avg, known ? ms(row.avg_latency_ms) : '–');
    text(success, percent(row.success_rate * 100));
    attr(success, 'data-tone', successTone(row.success_rate * 100));
    text(count, integer(row.total_calls));
  });
}

function createRow(row) {
  return h('tr', { data: { provider: row.provider_id } },
    h('th', { scope: 'row', class: 'name', title: row.provider_id }, row.provider_name || row.provider_id),
    h('td', { class: 'wide' }, h('div', { class: 'bar' }, h('i'))),
    h('td', { class: 'number' }), h('td', { class: 'number' }), h('td', { class: 'number' }));
}
