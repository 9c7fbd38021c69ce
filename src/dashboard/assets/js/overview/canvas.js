// A plane that is moved by dragging, wheel, two fingers and keys.

import { still } from '../dom.js';

/** Movement before a press becomes a drag, in pixels. */
const SLACK = 5;
const SMALLEST = 0.3;
const LARGEST = 2.5;

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/**
 * Shows `stage` (of `size`) inside `frame`. `insets()` gives the parts of the frame that something else covers;
 * `onEmpty` is called for a click where nothing is.
 */
export class Canvas {
  #frame;
  #stage;
  #size;
  #insets;
  #view;
  #pointers = new Map();
  #press = null;
  #observer;

  constructor(frame, stage, { size, insets, onEmpty }) {
    [this.#frame, this.#stage, this.#size, this.#insets] = [frame, stage, size, insets];
    this.#view = { x: size.width / 2, y: size.height / 2, scale: 1 };
    frame.addEventListener('pointerdown', (event) => this.#down(event));
    frame.addEventListener('pointermove', (event) => this.#move(event));
    for (const end of ['pointerup', 'pointercancel']) frame.addEventListener(end, (event) => this.#up(event));
    frame.addEventListener('wheel', (event) => this.#wheel(event), { passive: false });
    frame.addEventListener('click', (event) => {
      // What ended a drag is no click.
      if (this.#press?.dragged) event.stopPropagation();
      else if (!event.target.closest('button')) onEmpty();
    }, { capture: true });
    this.#observer = new ResizeObserver(() => this.#draw(0));
    this.#observer.observe(frame);
  }

  close() {
    this.#observer.disconnect();
  }

  get view() {
    return { ...this.#view };
  }

  /** Brings a point of the plane into the middle of what is free, within `time` milliseconds. */
  look({ x = this.#view.x, y = this.#view.y, scale = this.#view.scale }, time = 0) {
    this.#view = {
      x: clamp(x, 0, this.#size.width), y: clamp(y, 0, this.#size.height), scale: clamp(scale, SMALLEST, LARGEST),
    };
    this.#draw(time);
  }

  /** The largest scale up to `wanted` at which a circle of `reach` around the middle is seen as a whole. */
  within(reach, wanted) {
    const { width, height } = this.#free();
    return Math.min(wanted, Math.min(width, height) / (2 * reach));
  }

  /** Shows all of a rectangle, never larger than life. */
  fit(box, time = 0) {
    const { width, height } = this.#free();
    const scale = Math.min(1, width / Math.max(1, box.width), height / Math.max(1, box.height));
    this.look({ x: box.x + box.width / 2, y: box.y + box.height / 2, scale }, time);
  }

  /** Moves so far that the point is in the free part, if it is not. */
  reveal({ x, y }, margin = 60) {
    const { width, height } = this.#free();
    const { scale } = this.#view;
    const [across, down] = [Math.max(0, width / 2 - margin) / scale, Math.max(0, height / 2 - margin) / scale];
    this.look({ x: clamp(this.#view.x, x - across, x + across), y: clamp(this.#view.y, y - down, y + down) }, 200);
  }

  zoom(factor, time = 160) {
    this.look({ scale: this.#view.scale * factor }, time);
  }

  pan(across, down) {
    const { x, y, scale } = this.#view;
    this.look({ x: x + across / scale, y: y + down / scale }, 120);
  }

  #free() {
    const { top = 0, right = 0, bottom = 0 } = this.#insets();
    return { top, width: Math.max(120, this.#frame.clientWidth - right), height: Math.max(120, this.#frame.clientHeight - top - bottom) };
  }

  #draw(time) {
    const { top, width, height } = this.#free();
    const { x, y, scale } = this.#view;
    const { style } = this.#stage;
    style.transition = time && !still() ? `transform ${time}ms cubic-bezier(0.22, 1, 0.36, 1)` : 'none';
    style.transform = `translate(${width / 2 - x * scale}px, ${top + height / 2 - y * scale}px) scale(${scale})`;
  }

  #down(event) {
    if (event.button !== 0) return;
    this.#pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (this.#pointers.size === 1) this.#press = { x: event.clientX, y: event.clientY, from: this.view, dragged: false };
  }

  #move(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before || !this.#press) return;
    const now = { x: event.clientX, y: event.clientY };
    if (this.#pointers.size === 2) {
      const [other] = [...this.#pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
      const spread = (point) => Math.hypot(point.x - other.x, point.y - other.y);
      this.#grab(event);
      this.#about({ x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 }, spread(now) / Math.max(1, spread(before)));
    } else {
      const { x, y, from } = this.#press;
      if (!this.#press.dragged && Math.hypot(now.x - x, now.y - y) < SLACK) return;
      this.#grab(event);
      this.look({ x: from.x - (now.x - x) / from.scale, y: from.y - (now.y - y) / from.scale });
    }
    this.#pointers.set(event.pointerId, now);
  }

  #grab(event) {
    this.#press.dragged = true;
    this.#frame.dataset.dragging = '';
    this.#frame.setPointerCapture(event.pointerId);
  }

  #up(event) {
    this.#pointers.delete(event.pointerId);
    const [rest] = this.#pointers.values();
    if (rest) this.#press = { ...rest, from: this.view, dragged: true };
    else delete this.#frame.dataset.dragging;
  }

  #wheel(event) {
    event.preventDefault();
    // Line by line, or a page at a time, in browsers that count so.
    const unit = [1, 16, 400][event.deltaMode];
    this.#about({ x: event.clientX, y: event.clientY }, Math.exp(-event.deltaY * unit * (event.ctrlKey ? 0.01 : 0.0015)));
  }

  /** Zooms so that what is under a point of the screen stays there. */
  #about(point, factor) {
    const frame = this.#frame.getBoundingClientRect();
    const { top, width, height } = this.#free();
    const { x, y, scale } = this.#view;
    const next = clamp(scale * factor, SMALLEST, LARGEST);
    const [across, down] = [point.x - frame.left - width / 2, point.y - frame.top - top - height / 2];
    this.look({ x: x + across / scale - across / next, y: y + down / scale - down / next, scale: next });
  }
}
