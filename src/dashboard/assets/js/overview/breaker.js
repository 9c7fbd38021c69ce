// A circuit breaker as three lamps: closed, half open, open.

import { attr, data, h, list, text } from '../dom.js';
import { duration, words } from '../format.js';

const STATES = [['closed', 'healthy'], ['half_open', 'testing_recovery'], ['open', 'circuit_open']];

/** `set(breakers, left, aggregate)`: by transport; `left(ms)` is what is left of a wait; `aggregate`: `n` regions. */
export function breakerRows() {
  const rows = h('div', { class: 'breakers' });
  return {
    rows,
    set(breakers, left, regions) {
      list(rows, Object.entries(breakers ?? {}), ([transport]) => transport, create, (node, [transport, breaker]) => {
        const [label, lamps, state, counts] = node.children;
        data(node, 'state', breaker.state);
        text(label, transport === 'ws' ? 'WS' : transport.toUpperCase());
        for (const lamp of lamps.children) attr(lamp, 'data-lit', lamp.dataset.state === breaker.state ? '' : null);
        attr(lamps, 'aria-label', `Breaker ${words(breaker.state).toLowerCase()}`);
        text(state, regions ? `${words(breaker.state)} · ${regions}/${regions}` : words(breaker.state));
        text(counts, said(breaker, left));
      });
    },
  };
}

const create = ([transport]) => h('div', { class: 'breaker', data: { transport } },
  h('span', { class: 'breaker-name' }),
  h('span', { class: 'lamps', role: 'img' }, STATES.map(([state, status]) => h('i', { data: { state, status }, title: words(state) }))),
  h('span', { class: 'breaker-state' }), h('span', { class: 'muted number' }));

function said({ state, failures, threshold, successes, success_threshold: wanted, retry_after_ms: retry }, left) {
  if (state === 'open') {
    const rest = left(retry);
    return rest == null ? `failures ${failures}/${threshold}` : rest > 0 ? `next try in ${duration(rest)}` : 'next try at the next call';
  }
  return state === 'half_open' ? `successes ${successes}/${wanted}` : `failures ${failures}/${threshold}`;
}
