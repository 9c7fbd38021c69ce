// What the charts have in common: the board they are drawn on, its axes, its read-out and its data table.

import { attr, h, list, show as visible } from '../dom.js';
import { date } from '../format.js';
import { linear, timeTicks } from './scale.js';

const MARGIN = { top: 10, right: 12, bottom: 22, left: 52 };
const TABLE_ROWS = 500;

/**
 * A box to draw on that can be pointed at and walked through with the arrow keys. Assistive technology meets a slider
 * whose value is the text of the read-out.
 *
 * `draw(width)` gives a height and what is to be seen. `stops()` is how many positions there are, `at(x, y)` the one
 * pointed at or -1, `show(index)` its read-out: `{ x, y, title, lines, marks }`, with lines `{ text, value, series,
 * dashed }`. `rows()` is the data table: `{ columns, lines }`, newest last.
 */
export function board({ label, draw, stops, at, show, rows }) {
  const cursor = h('g', { class: 'chart-cursor' });
  const picture = h('svg', { class: 'chart', 'aria-hidden': 'true', focusable: 'false' });
  const tip = h('div', { class: 'readout', hidden: true, 'aria-hidden': 'true' });
  const plot = h('div', { class: 'chart-plot', tabindex: 0, role: 'slider', 'aria-label': label, 'aria-valuemin': 0, 'aria-valuenow': 0 }, picture, tip);
  const figures = h('div', { class: 'chart-table' });
  const more = h('details', { class: 'chart-data', on: { toggle: fill } }, h('summary', null, 'Data table'), figures);
  let [width, current] = [0, -1];

  function paint() {
    if (width === 0) return;
    const { height, nodes } = draw(width);
    attr(attr(picture, 'width', width), 'height', height);
    picture.replaceChildren(...nodes, cursor);
  }

  function go(index) {
    if (stops() === 0) return;
    current = Math.min(Math.max(index, 0), stops() - 1);
    const { x, y, title, lines, marks } = show(current);
    cursor.replaceChildren(...marks);
    tip.replaceChildren(h('div', { class: 'readout-title' }, title), ...lines.map(({ text, value, series, dashed }) => h('div', { class: 'readout-line' },
      series && swatch(series, dashed), h('span', { class: 'readout-name' }, text), h('b', null, value))));
    visible(tip, true);
    const left = x + 14 + tip.offsetWidth > width ? x - 14 - tip.offsetWidth : x + 14;
    tip.style.transform = `translate(${Math.max(0, left)}px, ${y}px)`;
    attr(plot, 'aria-valuenow', current);
    attr(plot, 'aria-valuetext', `${title}: ${lines.map(({ text, value }) => `${text} ${value}`).join(', ')}`);
  }

  function leave() {
    current = -1;
    visible(tip, false);
    cursor.replaceChildren();
  }

  function fill() {
    if (!more.open) return;
    const { columns, lines } = rows();
    const cells = (line) => line.map((text, i) => h(i === 0 ? 'th' : 'td', i === 0 ? { scope: 'row' } : null, text));
    figures.replaceChildren(h('table', null, h('caption', { class: 'sr-only' }, label),
      h('thead', null, h('tr', null, columns.map((text) => h('th', { scope: 'col' }, text)))),
      h('tbody', null, lines.slice(-TABLE_ROWS).reverse().map((line) => h('tr', null, cells(line))))));
  }

  const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };
  const on = {
    keydown(event) {
      if (event.key === 'Escape') leave();
      else if (event.key === 'Home') go(0);
      else if (event.key === 'End') go(stops() - 1);
      else if (event.key in steps) go(current < 0 ? stops() - 1 : current + steps[event.key]);
      else return;
      event.preventDefault();
    },
    pointermove(event) {
      const box = plot.getBoundingClientRect();
      const index = at(event.clientX - box.left, event.clientY - box.top);
      if (index < 0) leave();
      else go(index);
    },
    pointerleave: leave,
    blur: leave,
  };
  for (const [name, listener] of Object.entries(on)) plot.addEventListener(name, listener);
  const observer = new ResizeObserver(([entry]) => {
    width = Math.floor(entry.contentRect.width);
    paint();
  });
  observer.observe(plot);

  return {
    element: h('div', { class: 'chart-box' }, plot, more),
    /** Draws anew. `points` is how much there is to see; `text` says so. */
    refresh(points, text) {
      leave();
      paint();
      attr(plot, 'data-points', points);
      attr(plot, 'aria-valuemax', Math.max(0, stops() - 1));
      attr(plot, 'aria-valuetext', text);
      fill();
    },
    destroy: () => observer.disconnect(),
  };
}

/** The axes of a chart over time (seconds): its area, its scale, and what is to be seen of them. `y` is set by `marks`. */
export function axes({ from, to }, width, height, marks, scale, format) {
  const [left, right, top, bottom] = [MARGIN.left, width - MARGIN.right, MARGIN.top, height - MARGIN.bottom];
  const x = linear([from, to], [left, right]);
  const y = scale([marks[0], marks.at(-1)], [bottom, top]);
  const grid = marks.flatMap((mark) => [
    h('line', { class: 'grid', x1: left, x2: right, y1: crisp(y(mark)), y2: crisp(y(mark)) }),
    h('text', { class: 'tick', x: left - 8, y: y(mark) + 4, 'text-anchor': 'end' }, mark === 0 ? '0' : format(mark)),
  ]);
  return { x, y, right, top, bottom, nodes: [...grid, ...times(x, from, to, left, right, height)] };
}

/** The marks of a time axis. */
export function times(x, from, to, left, right, height) {
  return timeTicks(from, to, Math.floor((right - left) / 76)).map(({ t, text }) =>
    h('text', { class: 'tick', x: x(t), y: height - 4, 'text-anchor': 'middle' }, text));
}

/** A line across the chart at `x`. */
export const rule = (x, top, bottom) => h('line', { x1: crisp(x), x2: crisp(x), y1: top, y2: bottom });

/** Lines lie on whole pixels. */
const crisp = (value) => Math.round(value) + 0.5;

const swatch = (series, dashed) => h('i', { class: `swatch series-${series}${dashed ? ' dashed' : ''}` });

/** What the lines are. */
export function legend(box, entries) {
  list(box, entries, ({ name }) => name, () => h('span', { class: 'legend-item' }), (item, { name, series, dashed }) =>
    item.replaceChildren(swatch(series, dashed), name));
}

/** A moment in seconds for read-outs and tables. */
export const moment = (t) => date(t * 1000);

/** The index of the value nearest to `wanted` in a sorted list; -1 of none. */
export function nearest(sorted, wanted) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  if (low === 0) return sorted.length ? 0 : -1;
  return low === sorted.length || wanted - sorted[low - 1] <= sorted[low] - wanted ? low - 1 : low;
}
