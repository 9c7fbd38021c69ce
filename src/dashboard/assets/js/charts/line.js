// Lines over time. Where nothing was measured the line is broken: a gap is a fact and is not bridged.

import { h } from '../dom.js';
import { decades, linear, logarithmic, momentText, ticks, timeTicks } from './scale.js';
import { dataTable, onWidth, readout, walkable } from './plot.js';

const MARGIN = { top: 10, right: 12, bottom: 22, left: 52 };
const TABLE_ROWS = 500;

/**
 * A chart of lines that share a time axis and a unit.
 *
 * `update({ from, to, step, log, series })` draws: times in seconds, `series` a list of
 * `{ name, series: colour number, dashed, points: [{ t, v }] }` with points in order of time.
 */
export function lineChart({ label, height = 240, format }) {
  const plot = h('div', { class: 'chart-plot' });
  const picture = h('svg', { class: 'chart', 'aria-hidden': 'true', focusable: 'false' });
  plot.append(picture);
  const legend = h('div', { class: 'chart-legend' });
  const table = dataTable(label, rows);
  const element = h('div', { class: 'chart-box' }, plot, legend, table.element);
  const tip = readout(plot);
  let data = { from: 0, to: 1, step: 60, log: false, series: [] };
  let width = 0;
  let moments = [];
  let x = linear([0, 1], [0, 1]);
  let y = x;
  const cursor = h('g', { class: 'chart-cursor' });

  const walk = walkable(plot, {
    label,
    stops: () => moments.length,
    at: (left) => nearest(moments, x.invert(left)),
    show,
    hide() {
      tip.hide();
      cursor.replaceChildren();
    },
  });
  const stop = onWidth(plot, (next) => {
    width = next;
    draw();
  });

  function draw() {
    if (width === 0) return;
    picture.setAttribute('width', width);
    picture.setAttribute('height', height);
    const area = { left: MARGIN.left, right: width - MARGIN.right, top: MARGIN.top, bottom: height - MARGIN.bottom };
    x = linear([data.from, data.to], [area.left, area.right]);
    const marks = vertical(area);
    const grid = marks.map((mark) => [
      h('line', { class: 'grid', x1: area.left, x2: area.right, y1: crisp(y(mark)), y2: crisp(y(mark)) }),
      h('text', { class: 'tick', x: area.left - 8, y: y(mark) + 4, 'text-anchor': 'end' }, format(mark)),
    ]);
    const times = timeTicks(data.from, data.to, Math.floor((area.right - area.left) / 76)).map(({ t, text }) => [
      h('line', { class: 'tick-mark', x1: crisp(x(t)), x2: crisp(x(t)), y1: area.bottom, y2: area.bottom + 4 }),
      h('text', { class: 'tick', x: x(t), y: height - 4, 'text-anchor': 'middle' }, text),
    ]);
    picture.replaceChildren(...grid.flat(), ...times.flat(), ...data.series.flatMap(line), cursor);
  }

  /** Sets the vertical scale; gives its marks. */
  function vertical(area) {
    const values = data.series.flatMap((one) => one.points.map((point) => point.v));
    const high = values.reduce((most, value) => Math.max(most, value), 0);
    if (data.log && high > 0) {
      const low = values.reduce((least, value) => (value > 0 ? Math.min(least, value) : least), high);
      const marks = decades(low, high);
      y = logarithmic([marks[0], marks.at(-1)], [area.bottom, area.top]);
      return marks;
    }
    const marks = ticks(high);
    y = linear([0, marks.at(-1)], [area.bottom, area.top]);
    return marks;
  }

  /** A path with a break wherever an interval is missing; a point without neighbours is a dot. */
  function line({ points, series, dashed }) {
    let path = '';
    const dots = [];
    points.forEach((point, i) => {
      const joined = i > 0 && point.t - points[i - 1].t <= data.step * 1.5;
      const goesOn = i + 1 < points.length && points[i + 1].t - point.t <= data.step * 1.5;
      path += `${joined ? 'L' : 'M'}${x(point.t).toFixed(1)} ${y(point.v).toFixed(1)}`;
      if (!joined && !goesOn) dots.push(h('circle', { class: `dot series-${series}`, cx: x(point.t), cy: y(point.v), r: 2.5 }));
    });
    return [h('path', { class: `line series-${series}${dashed ? ' dashed' : ''}`, d: path }), ...dots];
  }

  function show(index) {
    const t = moments[index];
    const here = data.series
      .map((one) => ({ one, point: one.points[nearest(one.times, t)] }))
      .filter(({ point }) => point && Math.abs(point.t - t) < data.step / 2);
    const dots = here.map(({ one, point }) =>
      h('circle', { class: `dot series-${one.series}`, cx: x(point.t), cy: y(point.v), r: 3.5 }));
    const rule = h('line', { x1: crisp(x(t)), x2: crisp(x(t)), y1: MARGIN.top, y2: height - MARGIN.bottom });
    cursor.replaceChildren(rule, ...dots);
    const lines = here
      .sort((a, b) => b.point.v - a.point.v)
      .map(({ one, point }) => ({ text: one.name, value: format(point.v), series: one.series, dashed: one.dashed }));
    tip.show(x(t), MARGIN.top, momentText(t), lines);
    return `${momentText(t)}: ${lines.map(({ text, value }) => `${text} ${value}`).join(', ')}`;
  }

  function rows() {
    const lines = moments.slice(-TABLE_ROWS).map((t) => [
      momentText(t),
      ...data.series.map((one) => {
        const point = one.points.find((point) => point.t === t);
        return point ? format(point.v) : '–';
      }),
    ]);
    const cut = moments.length > TABLE_ROWS ? `The last ${TABLE_ROWS} of ${moments.length} intervals.` : '';
    return { columns: ['Time', ...data.series.map((one) => one.name)], lines, cut };
  }

  return {
    element,
    update(next) {
      data = { ...next, series: next.series.map((one) => ({ ...one, times: one.points.map((point) => point.t) })) };
      moments = [...new Set(data.series.flatMap((one) => one.times))].sort((a, b) => a - b);
      plot.dataset.points = String(data.series.reduce((sum, one) => sum + one.points.length, 0));
      legend.replaceChildren(...data.series.map((one) =>
        h('span', { class: 'legend-item' }, h('i', { class: `swatch series-${one.series}${one.dashed ? ' dashed' : ''}` }), one.name)));
      draw();
      walk.rest(`${data.series.length} lines, ${moments.length} intervals`);
      table.refresh();
    },
    destroy: stop,
  };
}

/** Lines lie on whole pixels. */
function crisp(value) {
  return Math.round(value) + 0.5;
}

/** The index of the value nearest to `wanted` in a sorted list; -1 of none. */
export function nearest(sorted, wanted) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  if (low === 0) return sorted.length ? 0 : -1;
  return low === sorted.length || wanted - sorted[low - 1] <= sorted[low] - wanted ? low - 1 : low;
}
