// Why a call went where it went: the channels in the order in which they were to be tried, and what each stage said.

import { h } from '../dom.js';
import { compact, duration, integer, ms, strategy, words } from '../format.js';
import { empty, table } from './parts.js';

const HINTS = {
  archival: ['Archive', (value) => (value ? 'needed' : null)],
  requested_block: ['Block', integer], block_range: ['Blocks asked for', integer],
  address_count: ['Addresses', integer], block_age: ['Block age', (value) => `${integer(value)} blocks`],
};
const SOURCES = { route: 'asked for by the call', method_override: 'set for this method', profile: 'set by the profile', default: 'the default' };
const TONES = { pass: 'good', demote: 'fair', limit: 'fair', overruled: 'fair', exclude: 'bad', skipped: '' };
const COLUMNS = [
  { label: '#', class: 'number', title: 'The order in which channels are tried' }, { label: 'Channel' },
  { label: 'Tier', class: 'number', title: 'Lower tiers go first: closed before half-open breakers, unlimited before limited' },
  { label: 'Verdict' }, { label: 'Score' }, { label: 'Stages' },
];

/** What the call asked for and how its channels were ranked. `tried` maps `provider/transport` to what came of it. */
export function explanationView(explanation, tried = new Map()) {
  if (explanation.answered_locally) {
    return empty('Answered by the router itself', `${explanation.method} needs no provider, so there is nothing to choose.`);
  }
  const { element, body } = table('Candidates in order', COLUMNS);
  body.append(...explanation.candidates.map((candidate) => row(candidate, tried.get(`${candidate.provider}/${candidate.transport}`))));
  return h('div', { class: 'explanation' }, h('p', { class: 'why', data: { why: '' } }, sentence(explanation)), premises(explanation), element);
}

function sentence({ candidates, strategy: name }) {
  const usable = candidates.filter((candidate) => candidate.order !== null);
  const [first] = usable;
  const out = candidates.filter((candidate) => candidate.excluded);
  const reasons = [...new Set(out.map((candidate) => words(candidate.excluded).toLowerCase()))].join(', ');
  const excluded = out.length ? ` ${out.length} ruled out (${reasons}).` : ' None ruled out.';
  if (!first) return ['No channel was left to try.', excluded];
  const because = first.pinned ? 'it was asked for by name' : `it is first by ${strategy(name)}${first.tier === null ? '' : ` in tier ${first.tier}`}`;
  const reserve = usable.length - 1;
  return [h('b', null, `${first.provider} over ${transportText(first.transport)}`), ` comes first because ${because}; ${reserve} more in reserve.`, excluded];
}

const transportText = (transport) => (transport === 'ws' ? 'WebSocket' : 'HTTP');

function premises({ strategy: name, strategy_source: source, transport, consensus_height: height, hints = {} }) {
  const facts = [
    ['Strategy', `${strategy(name)}, ${SOURCES[source] ?? words(source).toLowerCase()}`],
    ['Transport', transport ? `only ${transportText(transport)}` : 'any'],
    ['Consensus block', integer(height)],
    ...Object.entries(HINTS).flatMap(([key, [label, format]]) => {
      const shown = hints[key] == null || hints[key] === false ? null : format(hints[key]);
      return shown ? [[label, shown]] : [];
    }),
  ];
  return h('dl', { class: 'premises' }, facts.map(([label, value]) => h('div', null, h('dt', null, label), h('dd', null, value))));
}

function row(candidate, result) {
  const { order, provider, transport, tier, pinned, instance_id: instance } = candidate;
  return h('tr', { class: order === null ? 'out' : null, data: { candidate: `${provider}/${transport}` } },
    h('td', { class: 'number' }, order ?? '–'),
    h('th', { scope: 'row' }, h('span', { class: 'channel', title: instance }, provider, h('small', null, transport)), pinned && h('small', { class: 'tag' }, 'pinned')),
    h('td', { class: 'number' }, tier ?? '–'),
    h('td', { class: 'verdict' }, verdict(candidate), result && h('small', { class: 'tag', data: { tone: result.tone } }, result.text)),
    h('td', { class: 'facts' }, facts(candidate.score)),
    h('td', null, stages(candidate.stages)));
}

function verdict({ excluded, limit, demotions, retry_after_ms: wait }) {
  if (excluded) return [h('span', { data: { tone: 'bad' } }, words(excluded)), wait != null && h('small', { class: 'quiet' }, `again in ${duration(wait)}`)];
  const marks = [...demotions, ...(limit ? [limit] : [])];
  return marks.length ? h('span', { data: { tone: 'fair' } }, marks.map(words).join(', ')) : h('span', { data: { tone: 'good' } }, 'Usable');
}

function facts(object, leave = []) {
  const entries = Object.entries(object ?? {}).filter(([name, value]) => !leave.includes(name) && value !== null);
  return entries.length === 0 ? h('span', { class: 'quiet' }, '–') : h('span', { class: 'fact-list' }, entries.map(([name, value]) =>
    h('span', { class: 'fact' }, h('small', null, words(name.replace(/_ms$/, '')).toLowerCase()), ' ', factText(name, value))));
}

function factText(name, value) {
  if (name.endsWith('_ms')) return ms(value);
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return typeof value === 'number' ? (name.includes('height') ? integer(value) : compact(value)) : String(value);
}

function stages(findings) {
  if (findings.length === 0) return h('span', { class: 'quiet' }, 'not recorded');
  const passed = findings.filter((finding) => finding.verdict === 'pass').length;
  const items = findings.map((finding) => h('li', null,
    h('b', null, words(finding.stage)),
    h('span', { data: { tone: TONES[finding.verdict] } }, finding.reason ? `${finding.verdict}: ${words(finding.reason).toLowerCase()}` : finding.verdict),
    facts(finding, ['stage', 'verdict', 'reason'])));
  return h('details', { class: 'stages' }, h('summary', null, `${passed} of ${findings.length} passed`), h('ol', null, items));
}
