// Latency and calls over time, from the history.

import { h, show, text } from '../dom.js';
import { compact, ms } from '../format.js';
import { barChart } from '../charts/bar.js';
import { lineChart } from '../charts/line.js';
import { choice, dropdown, empty, page, section } from './parts.js';

const RANGES = [['1h', '1 h', 3600], ['6h', '6 h', 21_600], ['24h', '24 h', 86_400], ['7d', '7 d', 604_800]];
const PERCENTILES = ['p50', 'p95', 'p99'];
/** An answer ends where the router says; more of them than this is a mistake. */
const MOST_PAGES = 24;

/** The part of the page. `update(chain, methods, signal)` reads what the selectors ask for and draws it. */
export function latencyOverTime() {
  let chain = null;
  let under = null;
  let shown = null;
  const reread = () => chain && read(chain, methods, under?.signal).catch(failed);
  const redraw = () => shown && draw();
  let methods = [];

  const range = choice('Range', 'range', RANGES.map(([value, label]) => ({ value, label })), '1h', reread);
  const provider = dropdown('Provider', 'provider', [['', 'All providers']], '', reread);
  const method = dropdown('Method', 'method', [], '', reread);
  const transport = dropdown('Transport', 'transport', [['', 'Both'], ['http', 'HTTP'], ['ws', 'WebSocket']], '', reread);
  const percentile = choice('Percentile', 'percentile', PERCENTILES.map((value) => ({ value, label: value })), 'p95', redraw);
  const scale = choice('Scale', 'scale', [{ value: 'linear', label: 'Linear' }, { value: 'log', label: 'Log' }], 'linear', redraw);

  const lines = lineChart({ label: 'Latency over time', format: ms });
  const bars = barChart({ label: 'Calls over time', format: compact });
  const callsTitle = h('h3', null, 'Calls');
  const step = h('p', { class: 'quiet' });
  const charts = h('div', null, lines.element, callsTitle, bars.element, step);
  const nothing = h('div');
  const controls = h('div', { class: 'controls' }, provider.element, method.element, transport.element, percentile.element, scale.element);
  const element = section('Latency Over Time', { name: 'latency', extra: range.element }, controls, charts, nothing);

  function say(title, why) {
    nothing.replaceChildren(...(title ? [empty(title, why)] : []));
    show(charts, !title);
  }

  function failed(error) {
    if (error.name === 'AbortError') return;
    if (error.status === 404) say('No history is kept', error.message);
    else say('The history could not be read', error.message);
  }

  async function read(nextChain, nextMethods, signal) {
    methods = nextMethods;
    if (nextChain !== chain) provider.fill([['', 'All providers']], '');
    chain = nextChain;
    const names = methods.map((one) => one.method);
    method.fill(names.map((name) => [name, name]));
    const ids = [...new Set(methods.flatMap((one) => one.providers.map((row) => row.provider_id)))].sort();
    provider.fill([['', 'All providers'], ...ids.map((id) => [id, id])]);
    show(percentile.element, provider.value() === '');
    if (names.length === 0) return say('No latency yet', `${chain} has not been called in the last 24 hours.`);
    under?.abort();
    const mine = new AbortController();
    under = mine;
    signal?.addEventListener('abort', () => mine.abort(), { once: true });
    shown = await series(mine.signal);
    if (under === mine) draw();
  }

  async function series(signal) {
    const [, , seconds] = RANGES.find(([value]) => value === range.value());
    const to = Math.floor(Date.now() / 1000);
    const wanted = { chain, provider: provider.value(), method: method.value(), transport: transport.value(), to };
    const points = [];
    let from = to - seconds;
    let answer;
    for (let read = 0; from !== null && read < MOST_PAGES; read += 1) {
      answer = await page('/api/series', { ...wanted, from, step: answer?.step_seconds }, signal);
      points.push(...answer.points);
      from = answer.next_from ?? null;
    }
    return { from: to - seconds, to, step: answer.step_seconds, points, one: wanted.provider, method: wanted.method };
  }

  function draw() {
    const { from, to, step: seconds, points, one, method } = shown;
    if (points.length === 0) {
      const [, label] = RANGES.find(([value]) => value === range.value());
      return say('Nothing was recorded', `${one || 'No provider of this chain'} ${one ? 'got no' : 'got a'} call of ${method} in the last ${label}.`);
    }
    say(null);
    text(step, `One point every ${seconds < 120 ? `${seconds} s` : seconds < 7200 ? `${seconds / 60} min` : `${seconds / 3600} h`}; where nothing was called the line is broken.`);
    lines.update({ from, to, step: seconds, log: scale.value() === 'log', series: one ? percentiles(points) : providers(points) });
    bars.update({ from, to, step: seconds, bars: columns(points) });
  }

  /** A line a provider, dashed for WebSocket. */
  function providers(points) {
    const field = `${percentile.value()}_ms`;
    return split(points, (point) => `${point.provider} · ${point.transport}`).map(([name, own, [{ provider: id, transport }]]) =>
      ({ name, series: colour(id), dashed: transport === 'ws', points: own.map((point) => ({ t: point.t, v: point[field] })).filter(({ v }) => v != null) }));
  }

  /** Three lines for one provider, dashed for WebSocket. */
  function percentiles(points) {
    return split(points, (point) => point.transport).flatMap(([name, own]) => PERCENTILES.map((share, i) =>
      ({ name: `${share} · ${name}`, series: i + 1, dashed: name === 'ws', points: own.map((point) => ({ t: point.t, v: point[`${share}_ms`] })).filter(({ v }) => v != null) })));
  }

  function colour(id) {
    const ids = [...new Set(shown.points.map((point) => point.provider))].sort();
    return (ids.indexOf(id) % 8) + 1;
  }

  return {
    element,
    update: read,
    failed,
    destroy() {
      under?.abort();
      lines.destroy();
      bars.destroy();
    },
  };
}

/** `[name, points, points]` a group, by name; points in order of time. */
function split(points, name) {
  const groups = new Map();
  for (const point of points) {
    const key = name(point);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(point);
  }
  return [...groups].sort(([a], [b]) => a.localeCompare(b)).map(([key, own]) => [key, own.sort((a, b) => a.t - b.t), own]);
}

function columns(points) {
  const sums = new Map();
  for (const { t, calls, success_rate: rate } of points) {
    const sum = sums.get(t) ?? { t, total: 0, failed: 0 };
    sum.total += calls;
    sum.failed += Math.round(calls * (1 - rate));
    sums.set(t, sum);
  }
  return [...sums.values()].sort((a, b) => a.t - b.t);
}
