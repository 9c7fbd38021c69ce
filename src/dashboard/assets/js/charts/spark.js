// A line the size of a word: the last minutes of one figure, without axes.

import { linear } from './scale.js';
import { h } from '../dom.js';

/** Draws `values` (null where nothing is known) into a box of the given size; `from` is the least end of the scale. */
export function spark({ width = 160, height = 32, high = 0 } = {}) {
  const path = h('path', { class: 'spark-line' });
  const area = h('path', { class: 'spark-area' });
  const attributes = { class: 'spark', viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', 'aria-hidden': 'true', focusable: 'false' };
  const element = h('svg', attributes, area, path);
  return {
    element,
    /** The newest value stands at the right end; `room` is how many there can be. */
    update(values, room) {
      const known = values.filter((value) => value !== null);
      const y = linear([0, Math.max(high, 1e-9, ...known) * 1.1], [height - 1, 1]);
      const x = linear([0, room - 1], [0, width]);
      let line = '';
      let fill = '';
      let start = null;
      values.forEach((value, i) => {
        const at = x(room - values.length + i).toFixed(1);
        if (value === null) {
          if (start !== null) fill += `L${x(room - values.length + i - 1).toFixed(1)} ${height}Z`;
          start = null;
          return;
        }
        line += `${start === null ? 'M' : 'L'}${at} ${y(value).toFixed(1)}`;
        fill += start === null ? `M${at} ${height}L${at} ${y(value).toFixed(1)}` : `L${at} ${y(value).toFixed(1)}`;
        start = start ?? at;
      });
      if (start !== null) fill += `L${width} ${height}Z`;
      path.setAttribute('d', line);
      area.setAttribute('d', fill);
    },
  };
}
