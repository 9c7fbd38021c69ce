// States over time, a row each: what every breaker was, and when it changed.

import { h } from '../dom.js';
import { cut } from '../format.js';
import { board, nearest, rule, times } from './plot.js';
import { linear } from './scale.js';

const ROW = 26;
const BAR = 12;

/**
 * A chart of rows. `update({ from, to, rows, changes })`: times in milliseconds; `rows` a list of `{ name, spans:
 * [{ from, to, state }] }`, where a time without a span is not known; `changes` a list of `{ ts, row, title, lines,
 * cells }` in order of time.
 */
export function timeline({ label, columns }) {
  let data = { from: 0, to: 1, rows: [], changes: [] };
  let x = linear([0, 1], [0, 1]);
  const chart = board({
    label, draw, at,
    stops: () => data.changes.length,
    rows: () => ({ columns, lines: data.changes.map((change) => change.cells) }),
    show(index) {
      const { ts, row, title, lines } = data.changes[index];
      return { x: x(ts), y: (row + 1) * ROW, title, lines, marks: [rule(x(ts), row * ROW + 2, (row + 1) * ROW - 2)] };
    },
  });

  /** The nearest change of the row that is pointed at, when it is near enough to be meant. */
  function at(left, top) {
    const here = data.changes.filter((change) => change.row === Math.floor(top / ROW));
    const found = here[nearest(here.map((change) => change.ts), x.invert(left))];
    return found && Math.abs(x(found.ts) - left) < 24 ? data.changes.indexOf(found) : -1;
  }

  function draw(width) {
    const named = Math.min(150, width * 0.34);
    const height = data.rows.length * ROW + 22;
    x = linear([data.from, data.to], [named, width - 12]);
    const rows = data.rows.flatMap((row, i) => {
      const y = i * ROW + (ROW - BAR) / 2;
      const span = ({ from, to, state }) => h('rect', {
        class: `span ${state}`, x: x(Math.max(from, data.from)), y, height: BAR, rx: 2,
        width: Math.max(2, x(Math.min(to, data.to)) - x(Math.max(from, data.from))),
      });
      return [h('text', { class: 'row-name', x: 0, y: y + 10 }, cut(row.name, Math.floor(named / 7))), span({ ...data, state: 'unknown' }), ...row.spans.map(span)];
    });
    const seconds = linear([data.from / 1000, data.to / 1000], [named, width - 12]);
    return { height, nodes: [...rows, ...times(seconds, data.from / 1000, data.to / 1000, named, width, height)] };
  }

  return {
    ...chart,
    update(next) {
      data = next;
      chart.refresh(data.changes.length, `${data.changes.length} changes`);
    },
  };
}
