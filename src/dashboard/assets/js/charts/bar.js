// Columns over time: how much, and how much of it failed.

import { h } from '../dom.js';
import { linear, momentText, ticks, timeTicks } from './scale.js';
import { nearest } from './line.js';
import { dataTable, onWidth, readout, walkable } from './plot.js';

const MARGIN = { top: 8, right: 12, bottom: 20, left: 52 };

/**
 * A chart of columns. `update({ from, to, step, bars })` draws: times in seconds, `bars` a list of
 * `{ t, total, failed }` in order of time.
 */
export function barChart({ label, height = 110, format }) {
  const plot = h('div', { class: 'chart-plot' });
  const picture = h('svg', { class: 'chart', 'aria-hidden': 'true', focusable: 'false' });
  plot.append(picture);
  const table = dataTable(label, rows);
  const element = h('div', { class: 'chart-box' }, plot, table.element);
  const tip = readout(plot);
  let data = { from: 0, to: 1, step: 60, bars: [] };
  let width = 0;
  let x = linear([0, 1], [0, 1]);
  const cursor = h('g', { class: 'chart-cursor' });

  const walk = walkable(plot, {
    label,
    stops: () => data.bars.length,
    at: (left) => nearest(data.bars.map((bar) => bar.t), x.invert(left)),
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
    const [left, right, bottom] = [MARGIN.left, width - MARGIN.right, height - MARGIN.bottom];
    x = linear([data.from, data.to], [left, right]);
    const marks = ticks(data.bars.reduce((most, bar) => Math.max(most, bar.total), 0), 2);
    const y = linear([0, marks.at(-1)], [bottom, MARGIN.top]);
    const grid = marks.map((mark) => [
      h('line', { class: 'grid', x1: left, x2: right, y1: Math.round(y(mark)) + 0.5, y2: Math.round(y(mark)) + 0.5 }),
      h('text', { class: 'tick', x: left - 8, y: y(mark) + 4, 'text-anchor': 'end' }, format(mark)),
    ]);
    const times = timeTicks(data.from, data.to, Math.floor((right - left) / 76)).map(({ t, text }) =>
      h('text', { class: 'tick', x: x(t), y: height - 3, 'text-anchor': 'middle' }, text));
    const wide = Math.max(1.5, x(data.from + data.step) - x(data.from) - 1);
    const columns = data.bars.flatMap((bar) => {
      const at = Math.min(x(bar.t), right - wide);
      const good = bar.total - bar.failed;
      return [
        good > 0 && column('bar-good', at, wide, y(good), bottom),
        bar.failed > 0 && column('bar-bad', at, wide, y(bar.total), y(good)),
      ];
    });
    picture.replaceChildren(...grid.flat(), ...times, ...columns.filter(Boolean), cursor);
  }

  function show(index) {
    const { t, total, failed } = data.bars[index];
    const at = x(t + data.step / 2);
    cursor.replaceChildren(h('line', { x1: at, x2: at, y1: MARGIN.top, y2: height - MARGIN.bottom }));
    const lines = [{ text: 'calls', value: format(total) }, { text: 'failed', value: format(failed) }];
    tip.show(at, 0, momentText(t), lines);
    return `${momentText(t)}: ${format(total)} calls, ${format(failed)} failed`;
  }

  function rows() {
    const lines = data.bars.map((bar) => [momentText(bar.t), format(bar.total), format(bar.failed)]);
    return { columns: ['Time', 'Calls', 'Failed'], lines };
  }

  return {
    element,
    update(next) {
      data = next;
      plot.dataset.points = String(data.bars.length);
      draw();
      walk.rest(`${data.bars.length} intervals`);
      table.refresh();
    },
    destroy: stop,
  };
}

function column(className, x, width, top, bottom) {
  return h('rect', { class: className, x: x.toFixed(1), y: top.toFixed(1), width: width.toFixed(1), height: Math.max(0.5, bottom - top).toFixed(1) });
}
