// The subscriptions that clients have, as the router follows them upstream, and what happened to them.

import { attr, h, list, show, text } from '../dom.js';
import { clock, cut, duration, integer, words } from '../format.js';
import { empty, figure, section, sheets, table } from './parts.js';

await sheets('parts', 'streams');

const EVENTS = 100;
const STATES = { live: 'healthy', starting: 'recovering', failing_over: 'degraded', degraded: 'circuit_open' };
const CHANGES = {
  subscribed: 'healthy', recovered: 'healthy', connected: 'healthy', failover: 'degraded', stale: 'degraded',
  reconnecting: 'recovering', failed: 'circuit_open', disconnected: 'circuit_open', ended: 'unknown',
};
const COLUMNS = [
  { key: 'state', label: 'State' }, { key: 'chain', label: 'Chain' }, { key: 'topic', label: 'Topic' }, { key: 'filter', label: 'Filter' },
  { key: 'provider', label: 'Provider' }, { key: 'subscribers', label: 'Subscribers', class: 'number' },
  { key: 'block', label: 'Last Block', class: 'number', title: 'The newest block handed to clients' },
  { key: 'failovers', label: 'Failovers', class: 'number' },
  { key: 'filled', label: 'Gaps Filled', class: 'number', title: 'Blocks fetched after a change of provider, so that none is missing' },
  { key: 'age', label: 'Age', class: 'number' },
];

export function mount(root, { store, router }) {
  const figures = {
    streams: figure('streams', 'Streams'), subscribers: figure('subscribers', 'Subscribers'),
    failovers: figure('failovers', 'Failovers'), filled: figure('filled', 'Blocks filled in'), ill: figure('ill', 'Not live'),
  };
  const strip = h('div', { class: 'figures card' }, Object.values(figures).map((one) => one.element));
  const { element: box, body } = table('Streams', COLUMNS);
  const nothing = empty('Nobody is subscribed', 'A stream appears here when a client sends eth_subscribe over WebSocket; clients with the same topic and filter share one.');
  const quiet = empty('Nothing happened yet', 'Subscriptions, failovers and lost connections are listed here while this page is open.');
  const events = h('ol', { class: 'events', 'aria-label': 'Recent stream events' });
  root.append(h('div', { class: 'page streams' },
    h('h1', { class: 'sr-only' }, 'Streams'), strip,
    section('Streams', { name: 'streams', note: 'One upstream subscription for all clients of a topic and filter' }, box, nothing),
    section('Recent Events', { name: 'stream-events' }, events, quiet)));

  function draw() {
    const streams = [...store.state.streams.values()]
      .sort((a, b) => a.chain.localeCompare(b.chain) || a.topic.localeCompare(b.topic) || a.started - b.started);
    const sum = (name) => streams.reduce((total, stream) => total + (stream[name] ?? 0), 0);
    const ill = streams.filter((stream) => stream.state !== 'live').length;
    figures.streams.set(integer(streams.length));
    figures.subscribers.set(integer(sum('subscribers')));
    figures.failovers.set(integer(sum('failovers')));
    figures.filled.set(integer(sum('filled_blocks')));
    figures.ill.set(integer(ill), { tone: ill ? 'bad' : '' });
    show(box, streams.length > 0);
    show(nothing, streams.length === 0);
    list(body, streams, (stream) => stream.key, create, update);
  }

  function create(stream) {
    const cells = COLUMNS.map(({ key, class: className }) => h('td', { class: className, data: { cell: key } }));
    const line = h('tr', { data: { stream: stream.key } }, cells);
    line.parts = Object.fromEntries(COLUMNS.map(({ key }, i) => [key, cells[i]]));
    line.pill = h('span', { class: 'pill state' }, h('i', { class: 'dot' }), h('span'));
    line.parts.state.append(line.pill);
    line.link = h('button', { type: 'button', class: 'link', on: { click: () => router.go({ tab: 'overview', chain: line.stream.chain, provider: line.stream.provider }) } });
    line.parts.provider.append(line.link);
    return line;
  }

  function update(line, stream) {
    const { parts } = line;
    line.stream = stream;
    attr(line.pill, 'data-status', STATES[stream.state] ?? 'unknown');
    attr(line, 'data-state', stream.state);
    text(line.pill.lastChild, words(stream.state));
    text(parts.chain, store.state.chains.get(stream.chain)?.name ?? stream.chain);
    text(parts.topic, stream.topic);
    text(parts.filter, stream.filter ? cut(stream.filter, 42) : '–');
    attr(parts.filter, 'title', stream.filter);
    text(line.link, stream.provider ?? '');
    text(parts.subscribers, integer(stream.subscribers));
    text(parts.block, integer(stream.last_block));
    text(parts.failovers, integer(stream.failovers));
    text(parts.filled, integer(stream.filled_blocks));
    text(parts.age, duration(store.now() - stream.started));
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

function line(event) {
  const change = event.kind === 'link' ? event.state : event.change;
  const what = event.kind === 'link' ? 'WebSocket' : event.topic;
  const more = event.kind === 'link' ? (event.unexpected ? 'unexpected' : '') : words(event.detail);
  return h('li', { data: { event: event.kind, change } },
    h('time', null, clock(event.ts)), h('span', { class: 'event-change', data: { status: CHANGES[change] ?? 'unknown' } }, h('i', { class: 'dot' }), words(change)),
    h('span', { class: 'event-what' }, event.chain, ' ', h('b', null, what)), h('span', { class: 'event-who' }, event.provider ?? ''), more && h('span', { class: 'quiet event-more' }, more));
}
