// A line the size of a word: the last minutes of one figure, without axes.

import { attr, h } from '../dom.js';
import { linear } from './scale.js';

const [WIDTH, HEIGHT] = [160, 32];

/** The scale ends at `high` or above. */
export function spark(high = 0) {
  const [line, area] = [h('path', { class: 'spark-line' }), h('path', { class: 'spark-area' })];
  return {
    element: h('svg', { class: 'spark', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true', focusable: 'false' }, area, line),
    /** `values` with null where nothing is known; the newest stands at the right end, and `room` of them fit in. */
    update(values, room) {
      const x = linear([0, room - 1], [0, WIDTH]);
      const y = linear([0, Math.max(high, 1e-9, ...values) * 1.1], [HEIGHT - 1, 1]);
      const runs = [];
      values.forEach((value, i) => {
        if (value === null) return;
        const point = [x(room - values.length + i).toFixed(1), y(value).toFixed(1)];
        if (i > 0 && values[i - 1] !== null) runs.at(-1).push(point);
        else runs.push([point]);
      });
      attr(line, 'd', runs.map((run) => `M${run.join('L')}`).join(''));
      attr(area, 'd', runs.map((run) => `M${run[0][0]} ${HEIGHT}L${run.join('L')}L${run.at(-1)[0]} ${HEIGHT}Z`).join(''));
    },
  };
}
