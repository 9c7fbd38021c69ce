// The subscriptions that clients have, as the router follows them upstream, and what happened to them.

import { attr, h, list, show, text } from '../dom.js';
import { clock, cut, duration, integer, words } from '../format.js';
import { empty, figures, pill, section, sheets, table } from './parts.js';

await sheets('parts', 'streams');

const EVENTS = 100;
const STATES = { live: 'healthy', starting: 'recovering', failing_over: 'degraded', degraded: 'circuit_open' };
const CHANGES = {
  subscribed: 'healthy', recovered: 'healthy', connected: 'healthy', failover: 'degraded', stale: 'degraded',
  reconnecting: 'recovering', failed: 'circuit_open', disconnected: 'circuit_open', ended: 'unknown',
};

export function mount(root, { store, router }) {
  const strip = figures('card', [['streams', 'Streams'], ['subscribers', 'Subscribers'], ['failovers', 'Failovers'], ['filled_blocks', 'Blocks filled in'], ['ill', 'Not live']]);
  const number = (name, label, title) => ({ label, title, class: 'number', value: (stream) => integer(stream[name]) });
  const { element: box, update } = table('Streams', [
    { label: 'State', make: state },
    { label: 'Chain', value: ({ chain }) => store.state.chains.get(chain)?.name ?? chain },
    { label: 'Topic', class: 'mono', value: (stream) => stream.topic },
    { label: 'Filter', class: 'mono', make: (cell, { filter }) => attr(text(cell, filter ? cut(filter, 42) : '–'), 'title', filter) && null },
    { label: 'Provider', make: provider },
    number('subscribers', 'Subscribers'), number('last_block', 'Last Block', 'The newest block handed to clients'), number('failovers', 'Failovers'),
    number('filled_blocks', 'Gaps Filled', 'Blocks fetched after a change of provider, so that none is missing'),
    { label: 'Age', class: 'number', value: (stream) => duration(store.now() - stream.started) },
  ], (stream) => stream.key, (stream) => ({ stream: stream.key, state: stream.state }));
  const nothing = empty('Nobody is subscribed', 'A stream appears here when a client sends eth_subscribe over WebSocket; clients with the same topic and filter share one.');
  const quiet = empty('Nothing happened yet', 'Subscriptions, failovers and lost connections are listed here while this page is open.');
  const events = h('ol', { class: 'events', 'aria-label': 'Stream events' });
  root.append(h('div', { class: 'page streams', tabindex: 0 }, h('h1', { class: 'sr-only' }, 'Streams'), strip.element,
    section('Subscriptions', { name: 'streams', note: 'One upstream subscription for all clients of a topic and filter' }, box, nothing),
    section('Recent Events', { name: 'stream-events' }, events, quiet)));

  function state(cell) {
    const mark = pill('', 'unknown');
    cell.append(mark);
    return (stream) => {
      attr(mark, 'data-status', STATES[stream.state] ?? 'unknown');
      text(mark.lastChild, words(stream.state));
    };
  }

  function provider(cell) {
    let shown = null;
    const link = h('button', { type: 'button', class: 'text-link', on: { click: () => router.go({ tab: 'overview', chain: shown.chain, provider: shown.provider }) } });
    cell.append(link);
    return (stream) => {
      shown = stream;
      show(text(link, stream.provider), Boolean(stream.provider));
    };
  }

  function draw() {
    const streams = [...store.state.streams.values()]
      .sort((a, b) => a.chain.localeCompare(b.chain) || a.topic.localeCompare(b.topic) || a.started - b.started);
    for (const name of ['subscribers', 'failovers', 'filled_blocks']) strip.set(name, integer(streams.reduce((sum, stream) => sum + (stream[name] ?? 0), 0)));
    const ill = streams.filter((stream) => stream.state !== 'live').length;
    strip.set('streams', integer(streams.length));
    strip.set('ill', integer(ill), ill ? 'bad' : null);
    show(box, streams.length > 0);
    show(nothing, streams.length === 0);
    update(streams);
  }

  function drawEvents() {
    const heard = store.state.events.filter(({ kind }) => kind === 'stream' || kind === 'link').slice(-EVENTS).reverse();
    show(quiet, heard.length === 0);
    list(events, heard, (event) => event.id, line);
  }

  const offs = [store.on(['streams', 'profile', 'chains'], draw), store.on(['events', 'profile'], drawEvents)];
  const ages = setInterval(() => document.hidden || draw(), 1000);
  draw();
  drawEvents();
  return {
    unmount() {
      for (const off of offs) off();
      clearInterval(ages);
    },
  };
}

function line({ kind, ts, chain, topic, provider, ...event }) {
  const link = kind === 'link';
  const change = link ? event.state : event.change;
  const more = link ? event.unexpected && 'unexpected' : words(event.detail);
  return h('li', { data: { event: kind, change } }, h('time', null, clock(ts)),
    h('span', { class: 'event-change', data: { status: CHANGES[change] ?? 'unknown' } }, h('i', { class: 'dot' }), words(change)),
    h('span', null, chain, ' ', h('b', { class: 'mono' }, link ? 'WebSocket' : topic)), h('span', null, provider ?? ''), more && h('span', { class: 'quiet' }, more));
}
