// Calls that run along the lines, and the ring of a new block. Nothing moves for those who ask for no movement.

import { h, still } from '../dom.js';

/** As many dots as may be under way at once: the picture shows that there is traffic, not how much. */
const MOST = 16;

export class Flow {
  #lines;
  #running = new Set();

  constructor(lines) {
    this.#lines = lines;
  }

  call(key, result) {
    if (still() || document.hidden || this.#running.size >= MOST || this.#running.has(key)) return;
    const line = this.#lines.querySelector(`[data-line="${CSS.escape(key)}"]`);
    if (!line) return;
    const at = (name) => line.getAttribute(name);
    const dot = h('circle', { r: 3, class: 'call', data: { result }, cx: 0, cy: 0 });
    this.#lines.append(dot);
    this.#running.add(key);
    const run = dot.animate([
      { transform: `translate(${at('x1')}px, ${at('y1')}px)`, opacity: 0.2 },
      { opacity: 1, offset: 0.3 },
      { transform: `translate(${at('x2')}px, ${at('y2')}px)`, opacity: 0.2 },
    ], { duration: 420, easing: 'ease-in-out' });
    run.onfinish = run.oncancel = () => {
      dot.remove();
      this.#running.delete(key);
    };
  }

  block(node) {
    if (still() || document.hidden) return;
    node.animate([
      { boxShadow: '0 0 0 0 color-mix(in srgb, var(--tone) 45%, transparent)' },
      { boxShadow: '0 0 0 12px color-mix(in srgb, var(--tone) 0%, transparent)' },
    ], { duration: 900, easing: 'ease-out' });
  }
}
