// Why a call went where it went: the channels in the order in which they were to be tried, and what each stage said.

import { h } from '../dom.js';
import { compact, duration, integer, ms, strategy, words } from '../format.js';
import { channel, empty, facts, table } from './parts.js';

const HINTS = {
  archival: ['Archive', () => 'needed'], requested_block: ['Block', integer], block_range: ['Blocks asked for', integer],
  address_count: ['Addresses', integer], block_age: ['Block age', (value) => `${integer(value)} blocks`],
};
const SOURCES = { route: 'asked for by the call', method_override: 'set for this method', profile: 'set by the profile', default: 'the default' };
const TONES = { pass: 'good', demote: 'fair', limit: 'fair', overruled: 'fair', exclude: 'bad' };
const TRANSPORTS = { http: 'HTTP', ws: 'WebSocket' };

const low = (name) => words(name).toLowerCase();

/** What the call asked for and how its channels were ranked. `tried` maps `provider/transport` to what came of it. */
export function explanationView(explanation, tried = new Map()) {
  if (explanation.answered_locally) return empty('Answered by the router itself', `${explanation.method} needs no provider, so there is nothing to choose.`);
  const name = ({ provider, transport }) => `${provider}/${transport}`;
  const whole = explanation.candidates.some(({ stages }) => stages.length > 0);
  const { element, update } = table('Candidates in order', columns(tried, name).filter(({ only }) => whole || !only), name, (row) => ({ candidate: name(row), out: row.order === null }));
  update(explanation.candidates);
  return h('div', { class: 'explanation' }, h('p', { class: 'why', data: { why: '' } }, sentence(explanation)), premises(explanation), element,
    !whole && h('p', { class: 'quiet note' }, 'Tiers, scores and what each stage said are written down for dry runs and for calls that ask for metadata (include_meta).'));
}

function sentence({ candidates, strategy: name }) {
  const usable = candidates.filter((candidate) => candidate.order !== null);
  const out = candidates.filter((candidate) => candidate.excluded);
  const reasons = [...new Set(out.map((candidate) => low(candidate.excluded)))].join(', ');
  const excluded = out.length ? ` ${out.length} ruled out (${reasons}).` : ' None ruled out.';
  const [first] = usable;
  if (!first) return ['No channel was left to try.', excluded];
  const because = first.pinned ? 'it was asked for by name' : `it is first by ${strategy(name)}${first.tier === null ? '' : ` in tier ${first.tier}`}`;
  return [h('b', null, `${first.provider} over ${TRANSPORTS[first.transport]}`), ` comes first because ${because}; ${usable.length - 1} more in reserve.`, excluded];
}

function premises({ strategy: name, strategy_source: source, transport, consensus_height: height, hints = {} }) {
  return facts('premises', [
    ['Strategy', `${strategy(name)}, ${SOURCES[source] ?? low(source)}`],
    ['Transport', transport ? `only ${TRANSPORTS[transport]}` : 'any'],
    ['Consensus block', integer(height)],
    ...Object.entries(HINTS).filter(([key]) => hints[key] != null && hints[key] !== false).map(([key, [label, format]]) => [label, format(hints[key])]),
  ]);
}

const columns = (tried, name) => [
  { label: '#', class: 'number', title: 'The order in which channels are tried', value: ({ order }) => order ?? '–' },
  { label: 'Channel', head: true, make: (cell, { provider, transport, pinned }) => { cell.append(channel(provider, transport), pinned ? tag('pinned') : ''); } },
  { label: 'Tier', class: 'number', only: 'explained', title: 'Lower tiers go first: closed before half-open breakers, unlimited before limited', value: ({ tier }) => tier ?? '–' },
  { label: 'Verdict', class: 'verdict', make: (cell, row) => { cell.append(...verdict(row), tried.get(name(row)) ?? ''); } },
  { label: 'Score', class: 'facts', only: 'explained', make: (cell, { score }) => { cell.append(factList(score ?? {})); } },
  { label: 'Stages', only: 'explained', make: (cell, { stages }) => { cell.append(stageList(stages)); } },
];

export const tag = (label, tone) => h('small', { class: 'chip', data: { tone } }, label);
const toned = (label, tone) => h('span', { data: { tone } }, label);

function verdict({ excluded, limit, demotions, retry_after_ms: wait }) {
  if (excluded) return [toned(words(excluded), 'bad'), wait == null ? '' : h('small', { class: 'quiet' }, `again in ${duration(wait)}`)];
  const marks = [...demotions, ...(limit ? [limit] : [])];
  return [marks.length ? toned(marks.map(words).join(', '), 'fair') : toned('Usable', 'good')];
}

function factList(object) {
  const known = Object.entries(object).filter(([, value]) => value !== null);
  return h('span', { class: 'fact-list' }, known.map(([name, value]) =>
    h('span', null, h('small', null, low(name.replace(/_ms$/, ''))), ' ', factText(name, value))));
}

function factText(name, value) {
  if (name.endsWith('_ms')) return ms(value);
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return typeof value === 'number' ? (name.includes('height') ? integer(value) : compact(value)) : String(value);
}

function stageList(stages) {
  const passed = stages.filter(({ verdict }) => verdict === 'pass').length;
  return h('details', { class: 'stages' }, h('summary', null, `${passed} of ${stages.length} passed`),
    h('ol', null, stages.map(({ stage, verdict, reason, ...rest }) =>
      h('li', null, h('b', null, words(stage)), toned(reason ? `${verdict}: ${low(reason)}` : verdict, TONES[verdict]), factList(rest)))));
}
