// Building and changing the document. Data only ever becomes text or an attribute, never markup.

const SVG = 'http://www.w3.org/2000/svg';
const SVG_TAGS = new Set(['svg', 'g', 'path', 'line', 'circle', 'rect', 'polyline', 'polygon', 'text', 'title', 'defs', 'clipPath', 'linearGradient', 'stop', 'tspan']);

/**
 * An element. `props`: `class`, `data` (an object of data attributes), `on` (an object of listeners), `style` (an
 * object; keys that begin with `--` are custom properties); `true` sets an empty attribute, `null`, `undefined` and
 * `false` set none. Children: nodes, texts, numbers, arrays; nothing for `null` and `false`.
 */
export function h(tag, props, ...children) {
  const node = SVG_TAGS.has(tag) && tag !== 'title' ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (name === 'data') for (const [key, item] of Object.entries(value)) data(node, key, item);
    else if (name === 'on') for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (name === 'style') for (const [key, item] of Object.entries(value)) style(node, key, item);
    else attr(node, name, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return node;
}

/** Writes the text of `node` if it is another one. */
export function text(node, value) {
  const next = value == null ? '' : String(value);
  if (node.textContent !== next) node.textContent = next;
  return node;
}

/** Writes an attribute if it is another one; `null`, `undefined` and `false` take it away. */
export function attr(node, name, value) {
  if (value == null || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
    return node;
  }
  const next = value === true ? '' : String(value);
  if (node.getAttribute(name) !== next) node.setAttribute(name, next);
  return node;
}

/** Writes a data attribute: `data(node, 'status', 'healthy')`. */
export function data(node, name, value) {
  return attr(node, `data-${name}`, value);
}

/** Writes a style property or a custom property if it is another one. */
export function style(node, name, value) {
  if (node.style.getPropertyValue(name) !== value) node.style.setProperty(name, value);
  return node;
}

/** Shows or hides. */
export function show(node, visible) {
  return attr(node, 'hidden', !visible);
}

const rows = Symbol('rows');

/**
 * Makes the children of `parent` those of `items`, in their order. `key(item)` names an item, `create(item)` makes its
 * node once, `update(node, item)` runs each time. Nodes of items that stay are kept, with their focus.
 */
export function list(parent, items, key, create, update) {
  const old = parent[rows] ?? new Map();
  const now = new Map();
  let place = parent.firstChild;
  for (const item of items) {
    const name = key(item);
    if (now.has(name)) continue;
    let node = old.get(name);
    old.delete(name);
    if (!node) node = create(item);
    if (node === place) place = place.nextSibling;
    else parent.insertBefore(node, place);
    update?.(node, item);
    now.set(name, node);
  }
  for (const node of old.values()) node.remove();
  parent[rows] = now;
}

/** A drawing of `icons.js` as an element: 16 units square, drawn with the colour of the text. */
export function icon(paths, { size = 16, label } = {}) {
  const drawing = h('svg', {
    class: 'icon', viewBox: '0 0 16 16', width: size, height: size, fill: 'none', stroke: 'currentColor',
    'stroke-width': 1.5, 'stroke-linecap': 'round', 'stroke-linejoin': 'round',
    role: label ? 'img' : null, 'aria-label': label, 'aria-hidden': label ? null : 'true',
  });
  for (const path of [paths].flat()) drawing.append(h('path', { d: path }));
  return drawing;
}

/** Is the viewer asking for no movement? */
export const still = () => matchMedia('(prefers-reduced-motion: reduce)').matches;
