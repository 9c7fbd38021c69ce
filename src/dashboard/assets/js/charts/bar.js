// Columns over time: how much, and how much of it failed.

import { h } from '../dom.js';
import { axes, board, moment, nearest, rule } from './plot.js';
import { linear, ticks } from './scale.js';

const HEIGHT = 112;

/** A chart of columns. `update({ from, to, step, bars })`: times in seconds, bars `{ t, total, failed }` in order. */
export function barChart({ label, format }) {
  let data = { from: 0, to: 1, step: 60, bars: [] };
  let frame = null;
  const chart = board({
    label, draw, show,
    stops: () => data.bars.length,
    at: (left) => nearest(data.bars.map((bar) => bar.t + data.step / 2), frame.x.invert(left)),
    rows: () => ({ columns: ['Time', 'Calls', 'Failed'], lines: data.bars.map(({ t, total, failed }) => [moment(t), format(total), format(failed)]) }),
  });

  function draw(width) {
    const most = data.bars.reduce((most, bar) => Math.max(most, bar.total), 0);
    frame = axes(data, width, HEIGHT, ticks(most, 2), linear, format);
    const { x, y, right } = frame;
    const wide = Math.max(1.5, x(data.from + data.step) - x(data.from) - 1);
    const column = (className, t, from, to) => to > from && h('rect', {
      class: className, x: Math.min(x(t), right - wide), y: y(to), width: wide, height: Math.max(0.5, y(from) - y(to)),
    });
    const columns = data.bars.flatMap(({ t, total, failed }) => [
      column('bar-good', t, 0, total - failed), column('bar-bad', t, total - failed, total),
    ]);
    return { height: HEIGHT, nodes: [...frame.nodes, ...columns.filter(Boolean)] };
  }

  function show(index) {
    const { t, total, failed } = data.bars[index];
    const x = frame.x(t + data.step / 2);
    const lines = [{ text: 'calls', value: format(total) }, { text: 'failed', value: format(failed) }];
    return { x, y: 0, title: moment(t), lines, marks: [rule(x, frame.top, frame.bottom)] };
  }

  return {
    ...chart,
    update(next) {
      data = next;
      chart.refresh(data.bars.length, `${data.bars.length} intervals`);
    },
  };
}
