// Small pieces of the details window.

import { attr, data, h, icon, style, text } from '../dom.js';
import { CHECK, COPY } from '../icons.js';

/** A part of the window with a title. */
export const section = (title, ...children) => h('section', { class: 'part' }, h('h2', null, title), ...children);

/** A row of figures: `figures({ p50: 'p50' })` has `set({ p50: '12 ms' })`. */
export function figures(labels) {
  const values = {};
  const row = h('dl', { class: 'figures' }, Object.entries(labels).map(([name, label]) => {
    const value = h('dd', { class: 'number' });
    const term = h('dt', null, label);
    values[name] = { value, term };
    return h('div', { data: { figure: name } }, term, value);
  }));
  return {
    row,
    set(next, terms = {}) {
      for (const [name, shown] of Object.entries(next)) text(values[name].value, shown);
      for (const [name, shown] of Object.entries(terms)) text(values[name].term, shown);
    },
  };
}

/** A bar that is filled to `percent`, in the colour of `status`. */
export const bar = () => h('div', { class: 'bar' }, h('i', null));
export function fill(node, percent, status) {
  data(node, 'status', status);
  style(node.firstChild, '--part', `${Math.max(0, Math.min(100, percent ?? 0)).toFixed(1)}%`);
}

/** Puts `value()` into the clipboard and says so for a moment. */
export function copyButton(label, value) {
  const words = h('span', null, 'Copy');
  const [copy, done] = [icon(COPY, { size: 14 }), icon(CHECK, { size: 14 })];
  const button = h('button', { type: 'button', class: 'button copy', 'aria-label': label }, copy, words);
  let timer = null;
  button.addEventListener('click', async () => {
    const copied = await write(value());
    text(words, copied ? 'Copied!' : 'Not copied');
    data(button, 'copied', copied);
    attr(button, 'aria-label', copied ? 'Copied!' : 'Not copied');
    button.firstChild.replaceWith(copied ? done : copy);
    clearTimeout(timer);
    timer = setTimeout(() => {
      text(words, 'Copy');
      data(button, 'copied', null);
      attr(button, 'aria-label', label);
      button.firstChild.replaceWith(copy);
    }, 1500);
  });
  return button;
}

/** Pages that came over plain HTTP from another machine have no clipboard; there an old way still works. */
async function write(value) {
  if (navigator.clipboard) return navigator.clipboard.writeText(value).then(() => true, () => false);
  const field = h('textarea', { class: 'sr-only', 'aria-hidden': 'true' });
  field.value = value;
  document.body.append(field);
  field.select();
  const copied = document.execCommand('copy');
  field.remove();
  return copied;
}

/** Buttons of which one is pressed. `options`: `[value, label]`. */
export function segments(label, options, onChoose) {
  const buttons = options.map(([value, name]) => h('button', { type: 'button', data: { value }, on: { click: () => onChoose(value) } }, name));
  const row = h('div', { class: 'segments', role: 'group', 'aria-label': label }, buttons);
  return {
    row,
    set(value) {
      for (const button of buttons) attr(button, 'aria-pressed', String(button.dataset.value === value));
    },
  };
}
