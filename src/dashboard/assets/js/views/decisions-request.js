// One request: how it went, how long each part took, and why it went there.

import { h, icon, style, text } from '../dom.js';
import { date, integer, ms, strategy, words } from '../format.js';
import { COPY } from '../icons.js';
import { explanationView } from './explanation.js';
import { empty, figure, page, section } from './parts.js';

/** Reads and shows the request with this name into `root`. */
export async function showRequest(root, id, { signal, onBack }) {
  const back = h('button', { type: 'button', class: 'button', data: { back: '' }, on: { click: onBack } }, '← All requests');
  root.replaceChildren(h('div', { class: 'toolbar' }, back), h('p', { class: 'quiet pad' }, 'Reading…'));
  let found;
  try {
    found = await page(`/api/requests/${encodeURIComponent(id)}`, { profile: null }, signal);
  } catch (error) {
    if (signal.aborted) return;
    const why = error.status === 404 ? `The router keeps the last few thousand decisions; ${id} is not among them, or has not ended yet.` : error.message;
    root.lastChild.replaceWith(empty(error.status === 404 ? 'No such request' : 'The request could not be read', why));
    back.focus();
    return;
  }
  if (signal.aborted) return;
  root.replaceChildren(h('div', { class: 'toolbar' }, back, h('span', { class: 'quiet' }, date(found.ts))), head(found), timing(found), attempts(found), why(found));
  back.focus({ preventScroll: true });
}

function head(found) {
  const { request_id: id, chain, method, provider, transport, result, error, strategy: name, origin, failovers } = found;
  const copied = h('span', { 'aria-live': 'polite' });
  const copy = h('button', {
    type: 'button', class: 'icon-button', 'aria-label': 'Copy the request id', title: 'Copy',
    on: {
      async click() {
        await navigator.clipboard.writeText(id);
        text(copied, 'Copied!');
        setTimeout(() => text(copied, ''), 1500);
      },
    },
  }, icon(COPY, { size: 14 }));
  const facts = [
    ['Chain', chain], ['Strategy', name ? strategy(name) : '–'], ['Answered by', provider ? `${provider} · ${transport ?? ''}` : 'the router'],
    ['From', origin === 'system' ? 'the router itself' : 'a client'], ['Failovers', integer(failovers)],
  ];
  return h('div', { class: 'card request-head' },
    h('div', { class: 'request-title' }, h('h2', { class: 'mono' }, method), resultPill(result)),
    h('div', { class: 'request-id' }, h('code', null, id), copy, copied),
    error && h('p', { class: 'request-error' }, h('code', null, String(error.code)), ' ', error.message ?? '', ' ', h('small', { class: 'tag' }, words(error.category))),
    h('dl', { class: 'premises' }, facts.map(([label, value]) => h('div', null, h('dt', null, label), h('dd', null, value)))));
}

/** Success or error, in word and colour. */
export function resultPill(result) {
  return h('span', { class: 'pill result', data: { status: { success: 'healthy', error: 'circuit_open' }[result] ?? 'unknown' } }, h('i', { class: 'dot' }), words(result));
}

function timing({ timing = {} }) {
  const { selection_ms: selection = 0, upstream_ms: upstream = 0, end_to_end_ms: whole = 0, overhead_ms: overhead } = timing;
  const rest = Math.max(0, (whole ?? 0) - (selection ?? 0) - (upstream ?? 0));
  const parts = [['selection', 'Selection', selection ?? 0], ['upstream', 'Upstream', upstream ?? 0], ['rest', 'Everything else', rest]];
  const sum = Math.max(1e-9, parts.reduce((total, [, , value]) => total + value, 0));
  const bar = h('div', { class: 'split', role: 'img', 'aria-label': parts.map(([, label, value]) => `${label} ${ms(value)}`).join(', ') },
    parts.map(([name, , value]) => {
      const part = h('i', { class: `part-${name}` });
      style(part, 'flex-grow', String(value / sum));
      return part;
    }));
  const figures = [
    figure('end-to-end', 'End to end'), figure('selection', 'Selection', 'Choosing and ordering channels'),
    figure('upstream', 'Upstream', 'Waiting for providers, all attempts together'), figure('overhead', 'Overhead', 'What the router added'),
  ];
  [whole, selection, upstream, overhead].forEach((value, i) => figures[i].set(ms(value)));
  return section('Timing', { name: 'timing' }, h('div', { class: 'card pad timing' },
    h('div', { class: 'figures bare' }, figures.map((one) => one.element)), bar,
    h('div', { class: 'chart-legend' }, parts.map(([name, label]) => h('span', { class: 'legend-item' }, h('i', { class: `swatch part-${name}` }), label)))));
}

const failed = (outcome) => !['answered', 'success', 'ok'].includes(outcome.split(':')[0]);

function attempts({ attempts = [], timing = {} }) {
  if (attempts.length === 0) return section('Attempts', { name: 'attempts' }, empty('Nothing was sent', 'The router answered or refused this call without asking a provider.'));
  const begin = timing.selection_ms ?? 0;
  let at = begin;
  const placed = attempts.map((attempt) => {
    const start = attempt.started_ms ?? at;
    at = Math.max(at, start + (attempt.duration_ms ?? 0));
    return { ...attempt, start };
  });
  const whole = Math.max(timing.end_to_end_ms ?? 0, at, 1e-9);
  const lines = placed.map((attempt, i) => {
    const { provider, transport, outcome, category, duration_ms: took, start } = attempt;
    const bar = h('i', { class: failed(outcome) ? 'bad' : 'good' });
    style(bar, 'left', `${(start / whole) * 100}%`);
    style(bar, 'width', `${((took ?? 0) / whole) * 100}%`);
    return h('li', { data: { attempt: i + 1, outcome } },
      h('span', { class: 'channel' }, `${i + 1}. `, provider, h('small', null, transport)),
      h('span', { class: 'waterfall-track', 'aria-hidden': 'true' }, bar),
      h('span', { class: 'number' }, ms(took)),
      h('span', { data: { tone: failed(outcome) ? 'bad' : 'good' } }, words(outcome.split(':')[0]), (category ?? outcome.split(':')[1]) && h('small', { class: 'tag' }, words(category ?? outcome.split(':')[1]))));
  });
  return section('Attempts', { name: 'attempts', note: `${attempts.length} ${attempts.length === 1 ? 'channel was' : 'channels were'} tried` }, h('ol', { class: 'card waterfall' }, lines));
}

function why({ explanation, attempts = [] }) {
  const title = 'Why This Provider';
  if (!explanation) return section(title, { name: 'why' }, empty('No choice was made', 'The call ended before a provider was looked for.'));
  const tried = new Map(attempts.map(({ provider, transport, outcome }) =>
    [`${provider}/${transport}`, { text: words(outcome.split(':')[0]), tone: failed(outcome) ? 'bad' : 'good' }]));
  return section(title, { name: 'why' }, explanationView(explanation, tried));
}
