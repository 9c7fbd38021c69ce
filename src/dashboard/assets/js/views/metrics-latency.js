// Latency and calls over time, from the history.

import { h, show, text } from '../dom.js';
import { compact, duration, ms } from '../format.js';
import { barChart } from '../charts/bar.js';
import { lineChart } from '../charts/line.js';
import { choice, dropdown, empty, page, ranges, section } from './parts.js';

const PERCENTILES = ['p50', 'p95', 'p99'];
/** An answer ends where the router says; more of them than this is a mistake. */
const MOST_PAGES = 24;

/** The part of the page. `update(chain, methods, signal)` reads what the selectors ask for and draws it. */
export function latencyOverTime() {
  let [chain, methods, shown, reading] = [null, [], null, null];
  const reread = () => chain && read(chain, methods).catch(failed);
  const redraw = () => shown && draw();
  const same = (values) => values.map((value) => ({ value, label: value }));

  const range = ranges('range', reread);
  const provider = dropdown('Provider', 'provider', [['', 'All providers']], '', reread);
  const method = dropdown('Method', 'method', [], '', reread);
  const transport = dropdown('Transport', 'transport', [['', 'Both'], ['http', 'HTTP'], ['ws', 'WebSocket']], '', reread);
  const percentile = choice('Percentile', 'percentile', same(PERCENTILES), 'p95', redraw);
  const scale = choice('Scale', 'scale', same(['Linear', 'Log']), 'Linear', redraw);
  const lines = lineChart({ label: 'Latency over time', format: ms });
  const bars = barChart({ label: 'Calls over time', format: compact });
  const step = h('p', { class: 'quiet' });
  const charts = h('div', null, lines.element, h('h3', null, 'Calls'), bars.element, step);
  const nothing = h('div');
  const controls = h('div', { class: 'controls' }, [provider, method, transport, percentile, scale].map((one) => one.element));

  function say(title, why) {
    nothing.replaceChildren(title ? empty(title, why) : '');
    show(charts, !title);
  }

  function failed(error) {
    if (error.name !== 'AbortError') say(error.status === 404 ? 'No history is kept' : 'The history could not be read', error.message);
  }

  async function read(nextChain, nextMethods, signal) {
    if (nextChain !== chain) provider.set('');
    [chain, methods] = [nextChain, nextMethods];
    method.fill(methods.map((one) => [one.method, one.method]));
    const ids = [...new Set(methods.flatMap((one) => one.providers.map((row) => row.provider_id)))].sort();
    provider.fill([['', 'All providers'], ...ids.map((id) => [id, id])]);
    show(percentile.element, provider.value() === '');
    if (methods.length === 0) return;
    reading?.abort();
    const mine = new AbortController();
    reading = mine;
    signal?.addEventListener('abort', () => mine.abort(), { once: true });
    shown = await series(mine.signal);
    draw();
  }

  async function series(signal) {
    const to = Math.floor(Date.now() / 1000);
    const asked = { chain, provider: provider.value(), method: method.value(), transport: transport.value(), to };
    const points = [];
    const first = to - range.seconds();
    let [from, answer] = [first, null];
    for (let pages = 0; from !== null && pages < MOST_PAGES; pages += 1) {
      answer = await page('/api/series', { ...asked, from, step: answer?.step_seconds }, signal);
      points.push(...answer.points);
      from = answer.next_from ?? null;
    }
    return { ...asked, from: first, step: answer.step_seconds, points: points.sort((a, b) => a.t - b.t) };
  }

  function draw() {
    const { from, to, step: seconds, points, provider: one, method: name } = shown;
    if (points.length === 0) return say('Nothing was recorded', `${one ? `${one} got no` : 'No provider of this chain got a'} call of ${name} in the last ${range.label()}.`);
    say(null);
    text(step, `One point every ${duration(seconds * 1000)}; where nothing was called the line is broken.`);
    const log = scale.value() === 'Log';
    lines.update({ from, to, step: seconds, log, series: one ? percentiles(points) : providers(points) });
    bars.update({ from, to, step: seconds, bars: columns(points) });
  }

  /** A line a provider, dashed for WebSocket. */
  function providers(points) {
    const ids = [...new Set(points.map((point) => point.provider))].sort();
    return split(points, (point) => `${point.provider} · ${point.transport}`).map(([name, own]) =>
      line(name, (ids.indexOf(own[0].provider) % 8) + 1, own, percentile.value()));
  }

  /** Three lines for one provider, dashed for WebSocket. */
  function percentiles(points) {
    return split(points, (point) => point.transport).flatMap(([name, own]) => PERCENTILES.map((share, i) => line(`${share} · ${name}`, i + 1, own, share)));
  }

  return {
    element: section('Latency Over Time', { name: 'latency', extra: range.element }, controls, charts, nothing),
    update: read,
    failed,
    destroy() {
      reading?.abort();
      lines.destroy();
      bars.destroy();
    },
  };
}

function line(name, series, own, share) {
  const points = own.map((point) => ({ t: point.t, v: point[`${share}_ms`] })).filter(({ v }) => v != null);
  return { name, series, dashed: own[0].transport === 'ws', points };
}

/** `[name, points]` a group, by name. */
function split(points, name) {
  return [...Map.groupBy(points, name)].sort(([a], [b]) => a.localeCompare(b));
}

function columns(points) {
  return [...Map.groupBy(points, (point) => point.t)].map(([t, own]) => ({
    t,
    total: own.reduce((sum, { calls }) => sum + calls, 0),
    failed: own.reduce((sum, { calls, success_rate: rate }) => sum + Math.round(calls * (1 - rate)), 0),
  }));
}
