// Lines over time. Where nothing was measured the line is broken: a gap is a fact and is not bridged.

import { h } from '../dom.js';
import { axes, board, legend, moment, nearest, rule } from './plot.js';
import { decades, linear, logarithmic, ticks } from './scale.js';

const HEIGHT = 240;

/**
 * A chart of lines that share a time axis and a unit.
 *
 * `update({ from, to, step, log, series })`: times in seconds, `series` a list of `{ name, series: colour number,
 * dashed, points: [{ t, v }] }` with points in order of time.
 */
export function lineChart({ label, format }) {
  let data = { from: 0, to: 1, step: 60, series: [] };
  let moments = [];
  let frame = null;
  const chart = board({
    label, draw, show, rows,
    stops: () => moments.length,
    at: (left) => nearest(moments, frame.x.invert(left)),
  });
  const names = h('div', { class: 'chart-legend' });
  chart.element.firstChild.after(names);

  function draw(width) {
    const values = data.series.flatMap((one) => one.points.map((point) => point.v));
    const high = values.reduce((most, value) => Math.max(most, value), 0);
    const low = values.reduce((least, value) => (value > 0 ? Math.min(least, value) : least), high);
    frame = data.log && high > 0
      ? axes(data, width, HEIGHT, decades(low, high), logarithmic, format)
      : axes(data, width, HEIGHT, ticks(high), linear, format);
    return { height: HEIGHT, nodes: [...frame.nodes, ...data.series.flatMap(line)] };
  }

  /** A path with a break wherever an interval is missing; a point without neighbours is a dot. */
  function line({ points, series, dashed }) {
    const near = (one, other) => Boolean(one && other) && other.t - one.t <= data.step * 1.5;
    const dots = [];
    const path = points.map((point, i) => {
      const joined = near(points[i - 1], point);
      if (!joined && !near(point, points[i + 1])) dots.push(dot(series, point, 2.5));
      return `${joined ? 'L' : 'M'}${frame.x(point.t).toFixed(1)} ${frame.y(point.v).toFixed(1)}`;
    });
    return [h('path', { class: `curve series-${series}${dashed ? ' dashed' : ''}`, d: path.join('') }), ...dots];
  }

  const dot = (series, { t, v }, r) => h('circle', { class: `point series-${series}`, cx: frame.x(t), cy: frame.y(v), r });

  function show(index) {
    const t = moments[index];
    const here = data.series
      .map((one) => ({ one, point: one.points[nearest(one.times, t)] }))
      .filter(({ point }) => point?.t === t)
      .sort((a, b) => b.point.v - a.point.v);
    return {
      x: frame.x(t), y: frame.top, title: moment(t),
      lines: here.map(({ one: { name, series, dashed }, point }) => ({ text: name, value: format(point.v), series, dashed })),
      marks: [rule(frame.x(t), frame.top, frame.bottom), ...here.map(({ one, point }) => dot(one.series, point, 3.5))],
    };
  }

  function rows() {
    const cell = (one, t) => one.points[nearest(one.times, t)];
    const lines = moments.map((t) => [moment(t), ...data.series.map((one) => (cell(one, t)?.t === t ? format(cell(one, t).v) : '–'))]);
    return { columns: ['Time', ...data.series.map((one) => one.name)], lines };
  }

  return {
    ...chart,
    update(next) {
      data = { ...next, series: next.series.map((one) => ({ ...one, times: one.points.map((point) => point.t) })) };
      moments = [...new Set(data.series.flatMap((one) => one.times))].sort((a, b) => a - b);
      legend(names, data.series);
      const points = data.series.reduce((sum, one) => sum + one.points.length, 0);
      chart.refresh(points, `${data.series.length} lines, ${moments.length} intervals`);
    },
  };
}
