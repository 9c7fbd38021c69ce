// States over time, a row each: what every breaker was, and when it changed.

import { h } from '../dom.js';
import { linear, timeTicks } from './scale.js';
import { nearest } from './line.js';
import { dataTable, onWidth, readout, walkable } from './plot.js';

const ROW = 26;
const BAR = 12;
const BOTTOM = 22;

/**
 * A chart of rows. `update({ from, to, rows, changes })` draws: times in milliseconds; `rows` a list of
 * `{ name, spans: [{ from, to, state }] }`, where a time that no span covers is not known; `changes` a list of
 * `{ ts, row, title, lines, cells }` in order of time.
 */
export function timeline({ label, columns }) {
  const plot = h('div', { class: 'chart-plot timeline' });
  const picture = h('svg', { class: 'chart', 'aria-hidden': 'true', focusable: 'false' });
  plot.append(picture);
  const table = dataTable(label, () => ({ columns, lines: data.changes.map((change) => change.cells).reverse() }));
  const element = h('div', { class: 'chart-box' }, plot, table.element);
  const tip = readout(plot);
  let data = { from: 0, to: 1, rows: [], changes: [] };
  let width = 0;
  let x = linear([0, 1], [0, 1]);
  const cursor = h('g', { class: 'chart-cursor' });

  const walk = walkable(plot, {
    label,
    stops: () => data.changes.length,
    at,
    show(index) {
      const change = data.changes[index];
      const left = x(change.ts);
      const top = change.row * ROW;
      cursor.replaceChildren(h('line', { x1: left, x2: left, y1: top + 2, y2: top + ROW - 2 }));
      tip.show(left, top + ROW, change.title, change.lines);
      return `${change.title}: ${change.lines.map(({ text, value }) => `${text} ${value}`).join(', ')}`;
    },
    hide() {
      tip.hide();
      cursor.replaceChildren();
    },
  });
  const stop = onWidth(plot, (next) => {
    width = next;
    draw();
  });

  /** The nearest change of the row that is pointed at, when it is near enough to mean it. */
  function at(left, top) {
    const row = Math.floor(top / ROW);
    const here = data.changes.map((change, i) => ({ change, i })).filter(({ change }) => change.row === row);
    const found = here[nearest(here.map(({ change }) => change.ts), x.invert(left))];
    return found && Math.abs(x(found.change.ts) - left) < 24 ? found.i : null;
  }

  function draw() {
    if (width === 0) return;
    const named = Math.min(150, width * 0.34);
    const height = data.rows.length * ROW + BOTTOM;
    picture.setAttribute('width', width);
    picture.setAttribute('height', height);
    x = linear([data.from, data.to], [named, width - 12]);
    const rows = data.rows.flatMap((row, i) => {
      const top = i * ROW + (ROW - BAR) / 2;
      const most = Math.floor(named / 7);
      const name = row.name.length > most ? `${row.name.slice(0, most - 1)}…` : row.name;
      return [
        h('text', { class: 'row-name', x: 0, y: top + 10 }, name),
        h('rect', { class: 'span unknown', x: x(data.from), y: top, width: x(data.to) - x(data.from), height: BAR, rx: 2 }),
        ...row.spans.map((span) => {
          const start = x(Math.max(span.from, data.from));
          const wide = Math.max(2, x(Math.min(span.to, data.to)) - start);
          return h('rect', { class: `span ${span.state}`, x: start, y: top, width: wide, height: BAR, rx: 2 });
        }),
      ];
    });
    const [from, to] = [data.from / 1000, data.to / 1000];
    const times = timeTicks(from, to, Math.floor((width - named) / 76)).map(({ t, text }) =>
      h('text', { class: 'tick', x: x(t * 1000), y: height - 4, 'text-anchor': 'middle' }, text));
    picture.replaceChildren(...rows, ...times, cursor);
  }

  return {
    element,
    update(next) {
      data = next;
      plot.dataset.points = String(data.changes.length);
      draw();
      walk.rest(`${data.changes.length} changes`);
      table.refresh();
    },
    destroy: stop,
  };
}
