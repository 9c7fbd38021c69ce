// One request: how it went, how long each part took, and why it went there.

import { h, icon, style, text } from '../dom.js';
import { date, integer, ms, strategy, words } from '../format.js';
import { COPY } from '../icons.js';
import { explanationView, tag } from './explanation.js';
import { channel, dropdown, empty, facts, figures, page, pill, section } from './parts.js';

/** What a row of the list is called in the address: the items of a batch share the id of the request. */
export const nameOf = ({ request_id: id, batch_index: item }) => (item ? `${id}~${item}` : id);

/** Reads and shows the request with this name into `root`. */
export async function showRequest(root, name, { signal, onBack, onOther }) {
  const [, id, item = 0] = /^(.*?)(?:~(\d+))?$/.exec(name);
  const back = h('button', { type: 'button', class: 'button', data: { back: '' }, on: { click: onBack } }, '← All requests');
  const fill = (note, ...parts) => {
    root.replaceChildren(h('div', { class: 'toolbar' }, back, note), ...parts);
    back.focus({ preventScroll: true });
  };
  fill(h('span', { class: 'quiet' }, 'Reading…'));
  try {
    const found = await page(`/api/requests/${encodeURIComponent(id)}`, { profile: null, item }, signal);
    if (signal.aborted) return;
    const others = dropdown('Item of the batch', 'item', found.items.map((one) => [nameOf(one), `${(one.batch_index ?? 0) + 1}: ${one.method}`]), nameOf(found), onOther);
    fill([h('span', { class: 'quiet' }, date(found.ts)), found.items.length > 1 ? others.element : ''], head(found), timing(found), attempts(found), why(found));
  } catch (error) {
    if (signal.aborted) return;
    if (error.status === 404) fill('', empty('No such request', `The router keeps the last few thousand decisions; ${id} is not among them, or has not ended yet.`));
    else fill('', empty('The request could not be read', error.message));
  }
}

function head({ request_id: id, chain, method, provider, transport, result, error, strategy: name, origin, failovers }) {
  const copied = h('span', { role: 'status' });
  const copy = async () => {
    await navigator.clipboard.writeText(id);
    text(copied, 'Copied!');
    setTimeout(() => text(copied, ''), 1500);
  };
  return h('div', { class: 'card request-head' },
    h('div', { class: 'request-title' }, h('h1', { class: 'mono' }, method), resultPill(result)),
    h('div', { class: 'request-id' }, h('code', null, id),
      h('button', { type: 'button', class: 'icon-button', 'aria-label': 'Copy the request id', title: 'Copy', on: { click: copy } }, icon(COPY, { size: 14 })), copied),
    error && h('p', { class: 'request-error' }, h('code', null, error.code), ' ', error.message, ' ', tag(words(error.category))),
    facts('premises', [
      ['Chain', chain], ['Strategy', name ? strategy(name) : '–'], ['Last sent to', provider ? channel(provider, transport) : 'nobody'],
      ['From', origin === 'system' ? 'the router itself' : 'a client'], ['Failovers', integer(failovers)],
    ]));
}

/** How it ended, in word and colour. */
export const resultPill = (result) => pill(words(result), { success: 'healthy', error: 'circuit_open' }[result] ?? 'unknown');

function timing({ timing: { selection_ms: selection, upstream_ms: upstream, end_to_end_ms: whole, overhead_ms: overhead } }) {
  const rest = Math.max(0, whole - selection - upstream);
  const parts = [['selection', 'Selection', selection], ['upstream', 'Upstream', upstream], ['rest', 'Everything else', rest]];
  const bar = h('div', { class: 'split', role: 'img', 'aria-label': parts.map(([, label, value]) => `${label} ${ms(value)}`).join(', ') },
    parts.map(([name, , value]) => style(h('i', { class: `part-${name}` }), 'flex-grow', String(value / Math.max(whole, 1e-9)))));
  const strip = figures('', [
    ['end-to-end', 'End to end'], ['selection', 'Selection', 'Choosing and ordering channels'],
    ['upstream', 'Upstream', 'Waiting for providers, all attempts together'], ['overhead', 'Overhead', 'What the router added'],
  ]);
  Object.entries({ 'end-to-end': whole, selection, upstream, overhead }).forEach(([name, value]) => strip.set(name, ms(value)));
  return section('Timing', { name: 'timing' }, h('div', { class: 'card pad' }, strip.element, bar,
    h('div', { class: 'chart-legend' }, parts.map(([name, label]) => h('span', { class: 'legend-item' }, h('i', { class: `swatch part-${name}` }), label)))));
}

/** What came of an attempt, in words and a colour. An answer that says no is an answer. */
const OUTCOMES = { usable_success: ['Answered', 'good'], neutral_error: ['Answered with an error', 'fair'], cancelled: ['Given up', 'fair'] };
function outcomeOf({ outcome }) {
  const [word, tone] = OUTCOMES[outcome] ?? [words(outcome), 'bad'];
  return { word, tone };
}

/** One below the other, each beginning where the one before ended. */
function attempts({ attempts, timing }) {
  if (attempts.length === 0) return section('Attempts', { name: 'attempts' }, empty('Nothing was sent', 'The router answered or refused this call without asking a provider.'));
  let at = timing.selection_ms;
  const begins = attempts.map(({ duration_ms: took }) => (at += took ?? 0) - (took ?? 0));
  const whole = Math.max(timing.end_to_end_ms, at, 1e-9);
  const lines = attempts.map((attempt, i) => {
    const { word, tone } = outcomeOf(attempt);
    const bar = h('i', { class: tone, style: { left: `${(begins[i] / whole) * 100}%`, width: `${((attempt.duration_ms ?? 0) / whole) * 100}%` } });
    return h('li', { data: { attempt: i + 1, outcome: attempt.outcome } }, h('span', null, `${i + 1}. `, channel(attempt.provider, attempt.transport)),
      h('span', { class: 'waterfall-track', 'aria-hidden': 'true' }, bar), h('span', { class: 'number' }, ms(attempt.duration_ms)),
      h('span', { data: { tone } }, word, attempt.category && tag(words(attempt.category))));
  });
  return section('Attempts', { name: 'attempts', note: `${lines.length} ${lines.length === 1 ? 'channel was' : 'channels were'} tried` }, h('ol', { class: 'card waterfall' }, lines));
}

function why({ explanation, attempts }) {
  const tried = new Map(attempts.map((attempt) => [`${attempt.provider}/${attempt.transport}`, tag(outcomeOf(attempt).word, outcomeOf(attempt).tone)]));
  return section('Why This Provider', { name: 'why' }, explanation ? explanationView(explanation, tried) : empty('No choice was made', 'The call ended before a provider was looked for.'));
}
