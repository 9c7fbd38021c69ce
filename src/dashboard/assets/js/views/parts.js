// What the views of the tabs are made of.

import { attr, h, icon, list, show, text } from '../dom.js';
import { store } from '../store.js';
import { CHEVRON_DOWN } from '../icons.js';

/** Loads style sheets that the first page does without; waits until they count, so that no view is seen without. */
export function sheets(...names) {
  return Promise.all(names.map((name) => {
    const href = `/dashboard/assets/css/${name}.css`;
    if (document.querySelector(`link[href="${href}"]`)) return null;
    return new Promise((resolve) => {
      // A view without its colours is better than none.
      document.head.append(h('link', { rel: 'stylesheet', href, on: { load: resolve, error: resolve } }));
    });
  }));
}

/** What a page of the API refuses to say, in its own words. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** A page of the API for the profile that is shown. `query`: members that are null, undefined or empty are left out. */
export async function page(path, query = {}, signal) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries({ profile: store.state.profile, ...query })) {
    if (value !== null && value !== undefined && value !== '') search.set(name, value);
  }
  const response = await fetch(`${path}?${search}`, { signal, headers: { accept: 'application/json' } });
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Refused(response.status, body?.error ?? `the router answered with status ${response.status}`);
  return body;
}

/**
 * Runs `work(signal)` now and every `every` milliseconds while the page is seen. A run that is asked for meanwhile
 * (`again`) ends the one under way. `failed(error)` hears of what went wrong.
 */
export function repeat(every, work, failed) {
  let running = null;
  let last = 0;
  const again = async () => {
    running?.abort();
    const mine = new AbortController();
    running = mine;
    last = performance.now();
    try {
      await work(mine.signal);
    } catch (error) {
      if (!mine.signal.aborted) failed(error);
    }
  };
  const due = () => !document.hidden && performance.now() - last >= every - 50 && again();
  const timer = setInterval(due, every);
  document.addEventListener('visibilitychange', due);
  return {
    again,
    stop() {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', due);
      running?.abort();
    },
  };
}

/** A place with nothing in it that says why. */
export function empty(title, why) {
  return h('div', { class: 'empty' }, h('p', { class: 'empty-title' }, title), why && h('p', { class: 'quiet' }, why));
}

/** A part of a page with a heading; `extra` stands at the other end of the heading's line. */
export function section(title, { name, note, extra } = {}, ...children) {
  const id = `section-${name}`;
  const head = h('header', { class: 'section-head' },
    h('h2', { id }, title), note && h('p', { class: 'quiet' }, note), extra && h('div', { class: 'section-extra' }, extra));
  return h('section', { class: `section section-${name}`, 'aria-labelledby': id, data: { section: name } }, head, ...children);
}

/** Buttons of which one is pressed. `options` are `{ value, label, detail, disabled, title }`. */
export function choice(label, name, options, value, onChange) {
  const group = h('div', { class: 'segments', role: 'group', 'aria-label': label, data: { choice: name } });
  let now = value;
  const set = (next) => {
    now = next;
    for (const button of group.children) attr(button, 'aria-pressed', String(button.dataset.value === String(now)));
  };
  let filled = '';
  const fill = (next) => {
    // Buttons that stay keep their focus.
    const options = JSON.stringify(next);
    if (options === filled) return;
    filled = options;
    group.replaceChildren(...next.map(({ value, label, detail, disabled, title }) => h('button', {
      type: 'button', disabled: disabled ?? null, title, data: { value },
      on: { click: () => { if (String(now) !== String(value)) { set(value); onChange(value); } } },
    }, label, detail && [' ', h('small', null, detail)])));
    set(now);
  };
  fill(options);
  return { element: group, set, fill, value: () => now };
}

/** A labelled drop-down. `fill` keeps the value if it is still there. Options are `[value, text]`. */
export function dropdown(label, name, options, value, onChange) {
  const box = h('select', { name, on: { change: () => onChange?.(box.value) } });
  const fill = (next, wanted = box.value) => {
    const same = next.length === box.options.length && next.every(([value], i) => box.options[i].value === String(value));
    if (!same) box.replaceChildren(...next.map(([value, text]) => h('option', { value }, text)));
    box.value = next.some(([value]) => String(value) === String(wanted)) ? wanted : (next[0]?.[0] ?? '');
  };
  fill(options, value);
  const caret = h('span', { class: 'caret' }, icon(CHEVRON_DOWN, { size: 12 }));
  const element = h('label', { class: 'input' }, h('span', { class: 'input-name' }, label), h('span', { class: 'input-choice' }, box, caret));
  return { element, fill, value: () => box.value, set: (next) => { box.value = next; } };
}

/** A labelled line of text to type. */
export function field(label, props) {
  const input = h('input', { spellcheck: 'false', autocomplete: 'off', ...props });
  return { element: h('label', { class: 'input' }, h('span', { class: 'input-name' }, label), input), value: () => input.value.trim() };
}

/**
 * A table in a box that scrolls sideways. Columns are `{ label, class, title, head, value(row), tone(row), make(cell,
 * row) }`; `make` fills a cell once and may return what updates it. `marks(row)` are data attributes of a line.
 */
export function table(caption, columns, key, marks = () => ({})) {
  const body = h('tbody');
  const heads = columns.map(({ label, class: className, title }) => h('th', { scope: 'col', class: className === 'number' && className, title }, label));
  const element = h('div', { class: 'table-box', tabindex: 0, role: 'region', 'aria-label': `${caption}, table` },
    h('table', null, h('caption', { class: 'sr-only' }, caption), h('thead', null, h('tr', null, heads)), body));
  const create = (row) => {
    const line = h('tr');
    const updates = columns.map(({ head, class: className, value, tone, make }) => {
      const cell = h(head ? 'th' : 'td', { class: className, scope: head ? 'row' : null });
      line.append(cell);
      return make ? make(cell, row) : (row) => attr(text(cell, value(row)), 'data-tone', tone?.(row) || null);
    });
    line.show = (row) => updates.forEach((update) => update?.(row));
    return line;
  };
  const update = (line, row) => {
    for (const [name, value] of Object.entries(marks(row))) attr(line, `data-${name}`, value);
    line.show(row);
  };
  return { element, heads, update: (rows) => list(body, rows, key, create, update) };
}

/** Figures with their names: `[name, label, title]`. `set(name, shown, tone)` writes one. */
export function figures(className, entries) {
  const values = Object.fromEntries(entries.map(([name]) => [name, h('b', { class: 'tile-value' }, '–')]));
  const element = h('div', { class: `tiles ${className}` }, entries.map(([name, label, title]) =>
    h('div', { class: 'tile', title, data: { figure: name } }, h('span', { class: 'tile-name' }, label), values[name])));
  return { element, set: (name, shown, tone) => attr(text(values[name], shown), 'data-tone', tone) };
}

/** Names and values, side by side: `[name, value]`. */
export function facts(className, entries) {
  return h('dl', { class: className }, entries.map(([name, value]) => h('div', null, h('dt', null, name), h('dd', null, value))));
}

/** A pill with a dot in the colour of a state. */
export function pill(label, status) {
  return h('span', { class: 'pill state', data: { status } }, h('i', { class: 'dot' }), h('span', null, label));
}

/** The channel to a provider. */
export const channel = (provider, transport) => h('span', { class: 'channel' }, provider, h('small', null, transport));

/** The times that charts can show: buttons, and how many seconds are chosen. A young process has an hour of nothing. */
export function ranges(name, onChange) {
  const all = { '15 min': 900, '1 h': 3600, '6 h': 21_600, '24 h': 86_400, '7 d': 604_800 };
  const age = store.now() - (store.state.node?.started ?? 0);
  const buttons = choice('Range', name, Object.keys(all).map((label) => ({ value: label, label })), age < 900_000 ? '15 min' : '1 h', onChange);
  return { element: buttons.element, label: buttons.value, seconds: () => all[buttons.value()] };
}

/** The colour of a success rate in percent. */
export const successTone = (percent) => (percent == null ? null : percent >= 99 ? 'good' : percent >= 95 ? 'fair' : 'bad');
