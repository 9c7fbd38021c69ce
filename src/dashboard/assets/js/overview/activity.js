// What happens now, line by line. Who scrolls up reads in peace: the list stands still until it is at its end again.

import { data, h, icon, show, text } from '../dom.js';
import { clock, cut, ms, words } from '../format.js';
import { PAUSE, RETRY } from '../icons.js';

const LINES = 100;
/** New lines are added so often at most: a list that runs faster is read by nobody. */
const PACE = 200;

export function activity({ store, router }) {
  const lines = h('ol', { class: 'activity', tabindex: 0, 'aria-label': 'Recent activity, newest last' });
  const resume = h('button', { type: 'button', class: 'button resume', hidden: true, on: { click: () => toEnd() } }, icon(PAUSE, { size: 14 }), h('span', null));
  const nothing = h('p', { class: 'muted activity-empty' }, 'No calls yet. Send one and it appears here.');
  const box = h('div', { class: 'activity-box' }, lines, nothing, resume);
  const state = h('span', { class: 'muted' });
  const head = h('div', { class: 'part-head' }, h('h2', null, 'Recent activity'), state);
  let last = -1;
  let timer = null;

  const atEnd = () => lines.scrollHeight - lines.scrollTop - lines.clientHeight < 24;
  const waiting = () => store.state.events.filter((event) => event.id > last && SHOWN[event.kind]);

  function toEnd() {
    lines.scrollTop = lines.scrollHeight;
    render();
  }

  function render() {
    clearTimeout(timer);
    timer = null;
    const fresh = waiting();
    const paused = lines.childElementCount > 0 && (!atEnd() || lines.contains(document.activeElement?.closest('.line')));
    show(resume, paused);
    data(box, 'paused', paused);
    text(state, paused ? 'Paused' : '');
    if (paused) {
      text(resume.lastChild, fresh.length ? `${fresh.length >= LINES ? `${LINES}+` : fresh.length} new` : 'To the newest');
      return;
    }
    show(nothing, !fresh.length && !lines.childElementCount);
    if (!fresh.length) return;
    last = fresh.at(-1).id;
    lines.append(...fresh.slice(-LINES).map((event) => h('li', { data: { kind: event.kind } }, SHOWN[event.kind](event, { store, router }))));
    while (lines.childElementCount > LINES) lines.firstChild.remove();
    lines.scrollTop = lines.scrollHeight;
  }

  lines.addEventListener('scroll', () => {
    if (('paused' in box.dataset) === atEnd()) render();
  }, { passive: true });

  // One stop for the tab key; the arrows go from line to line.
  lines.addEventListener('keydown', (event) => {
    if (event.key !== 'ArrowUp' && event.key !== 'ArrowDown') return;
    const all = [...lines.querySelectorAll('button')];
    const at = all.indexOf(document.activeElement);
    const next = event.key === 'ArrowUp' ? all.at(at < 0 ? -1 : Math.max(0, at - 1)) : all[at + 1];
    if (next) next.focus();
    else if (at >= 0) lines.focus();
    event.preventDefault();
  });
  lines.addEventListener('focusout', () => setTimeout(render));

  let profile = store.state.profile;
  return {
    head,
    box,
    update() {
      if (profile !== store.state.profile) {
        profile = store.state.profile;
        last = -1;
        lines.replaceChildren();
      }
      timer ??= setTimeout(render, PACE);
    },
    close: () => clearTimeout(timer),
  };
}

const time = (event) => h('time', null, clock(event.ts));
const mark = (sign) => h('span', { class: 'line-mark' }, sign);
const chain = (event) => h('span', { class: 'line-chain' }, event.chain);

/** What the kinds of event look like; others are not shown. */
const SHOWN = {
  decision(event, { router }) {
    const { method, duration_ms: took, failovers, result, error, request_id: request } = event;
    const why = error ? ` (${error.category ?? 'error'} ${error.code})` : '';
    return h('button', {
      type: 'button', class: 'line', tabindex: -1, data: { result, request, status: result === 'error' ? 'circuit_open' : failovers ? 'degraded' : 'healthy' },
      title: 'Show the decision',
      on: { click: () => router.go({ tab: 'decisions', request }) },
    },
    time(event), mark(h('span', { class: 'dot' })), chain(event), h('span', { class: 'line-text' }, h('span', { class: 'line-method' }, method), h('span', { class: 'muted' }, ' → '), h('span', null, answerer(event)), why && h('span', { class: 'line-error' }, why)),
    failovers ? h('span', { class: 'line-failovers', title: `${failovers} failovers` }, icon(RETRY, { size: 11, label: 'failovers' }), failovers) : null,
    h('span', { class: 'line-time' }, `(${ms(took)})`));
  },
  stream(event, { store }) {
    const { topic, change, provider, detail } = event;
    return h('div', { class: 'line' }, time(event), mark(h('span', { class: 'tag' }, 'ws')), chain(event),
      h('span', { class: 'line-text', title: detail || null }, `${change} ${topic}`, provider && h('span', { class: 'muted' }, ` on ${cut(name(store, event), 14)}`)));
  },
  breaker(event, { store }) {
    const { from, to, transport, category } = event;
    return h('div', { class: 'line', data: { status: BREAKER[to] } }, time(event), mark(h('span', { class: 'dot ring' })), chain(event),
      h('span', { class: 'line-text' }, `${cut(name(store, event), 14)} ${transport} breaker ${words(from).toLowerCase()} → `, h('strong', null, words(to).toLowerCase()), category && h('span', { class: 'muted' }, ` ${category}`)));
  },
  link(event, { store }) {
    return h('div', { class: 'line' }, time(event), mark(h('span', { class: 'tag' }, 'ws')), chain(event), h('span', { class: 'line-text' }, `${cut(name(store, event), 14)} ${event.state}`));
  },
};

/** Who answered; some methods the router answers by itself. */
export const answerer = ({ provider, result }) => (provider ? cut(provider, 14) : result === 'success' ? 'Lasso' : 'nobody');

const BREAKER = { open: 'circuit_open', half_open: 'testing_recovery', closed: 'healthy' };
const name = (store, event) => store.provider(event.chain, event.provider)?.name ?? event.provider ?? '';
