// What the charts have in common: following the size of a box, walking through values, one read-out, one data table.

import { h, show as visible } from '../dom.js';

/** Calls `draw(width)` now and whenever the width of the box changes; gives what ends that. */
export function onWidth(box, draw) {
  let width = 0;
  const observer = new ResizeObserver(([entry]) => {
    const next = Math.floor(entry.contentRect.width);
    if (next === width || next === 0) return;
    width = next;
    draw(width);
  });
  observer.observe(box);
  return () => observer.disconnect();
}

/**
 * The plot of a chart as something to point at and to walk through with the arrow keys.
 *
 * `stops()` gives the positions there are, `show(index)` draws the read-out of one and says it as text, `hide()`
 * takes it away. Assistive technology meets a slider whose value is that text.
 */
export function walkable(plot, { label, stops, at, show, hide }) {
  let current = -1;
  plot.tabIndex = 0;
  plot.setAttribute('role', 'slider');
  plot.setAttribute('aria-label', label);
  plot.setAttribute('aria-valuemin', '0');
  plot.setAttribute('aria-valuenow', '0');

  const go = (index) => {
    const count = stops();
    if (count === 0) return;
    current = Math.min(Math.max(index, 0), count - 1);
    plot.setAttribute('aria-valuemax', String(count - 1));
    plot.setAttribute('aria-valuenow', String(current));
    plot.setAttribute('aria-valuetext', show(current));
  };
  const leave = () => {
    current = -1;
    hide();
  };
  const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };
  plot.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') leave();
    else if (event.key === 'Home') go(0);
    else if (event.key === 'End') go(stops() - 1);
    else if (event.key in steps) go(current < 0 ? stops() - 1 : current + steps[event.key]);
    else return;
    event.preventDefault();
  });
  plot.addEventListener('focus', () => plot.matches(':focus-visible') && current < 0 && go(stops() - 1));
  plot.addEventListener('blur', leave);
  plot.addEventListener('pointermove', (event) => {
    const box = plot.getBoundingClientRect();
    const index = at(event.clientX - box.left, event.clientY - box.top);
    if (index === null || index < 0) leave();
    else go(index);
  });
  plot.addEventListener('pointerleave', leave);
  const rest = (text) => {
    leave();
    plot.setAttribute('aria-valuemax', String(Math.max(0, stops() - 1)));
    plot.setAttribute('aria-valuetext', text);
  };
  return { rest };
}

/** The box that follows the pointer. Lines are `{ text, value, series }`; it never leaves the plot. */
export function readout(plot) {
  const box = h('div', { class: 'readout', hidden: true, 'aria-hidden': 'true' });
  plot.append(box);
  return {
    show(x, y, title, lines) {
      box.replaceChildren(h('div', { class: 'readout-title' }, title), ...lines.map(line));
      visible(box, true);
      const left = x + 14 + box.offsetWidth > plot.clientWidth ? x - 14 - box.offsetWidth : x + 14;
      box.style.transform = `translate(${Math.max(0, left)}px, ${Math.max(0, y)}px)`;
    },
    hide() {
      visible(box, false);
    },
  };
}

function line({ text, value, series, dashed }) {
  const swatch = series === undefined ? null : h('i', { class: `swatch series-${series}${dashed ? ' dashed' : ''}` });
  return h('div', { class: 'readout-line' }, swatch, h('span', { class: 'readout-name' }, text), h('b', null, value));
}

/** The numbers behind a chart, for who does not see it: filled when opened. */
export function dataTable(label, rows) {
  const body = h('div', { class: 'chart-table' });
  const more = h('details', { class: 'chart-data' }, h('summary', null, 'Data table'), body);
  const fill = () => {
    if (!more.open) return;
    const { columns, lines, cut } = rows();
    const head = h('tr', null, ...columns.map((text) => h('th', { scope: 'col' }, text)));
    const table = h('table', null, h('caption', { class: 'sr-only' }, label), h('thead', null, head));
    const cells = (line) => line.map((text, i) => h(i === 0 ? 'th' : 'td', i === 0 ? { scope: 'row' } : null, text));
    table.append(h('tbody', null, ...lines.map((line) => h('tr', null, ...cells(line)))));
    body.replaceChildren(table, cut ? h('p', { class: 'quiet' }, cut) : '');
  };
  more.addEventListener('toggle', fill);
  return { element: more, refresh: fill };
}
