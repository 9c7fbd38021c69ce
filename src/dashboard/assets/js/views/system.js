// What the process uses and holds. The last minutes are kept here, in the browser, from when the page was first opened.

import { h, list, show, text } from '../dom.js';
import { bytes, compact, date, duration, integer, percent } from '../format.js';
import { spark } from '../charts/spark.js';
import { store } from '../store.js';
import { empty, section, sheets } from './parts.js';

await sheets('parts', 'charts', 'system');

/** Ten minutes of a figure every two seconds. */
const ROOM = 300;
/** After so long without a figure there is a gap. */
const GAP_MS = 5000;

const GROUPS = [
  ['Process', [
    ['cpu_percent', 'CPU', percent, 'Of one core'], ['memory_bytes', 'Resident memory', bytes], ['open_sockets', 'Open sockets', integer],
  ]],
  ['Runtime', [
    ['worker_busy_percent', 'Workers busy', percent], ['tasks', 'Tasks', integer], ['queue_depth', 'Run queue', integer, 'Tasks that wait for a thread'],
  ]],
  ['Clients', [
    ['inflight_requests', 'Requests in flight', integer], ['inflight_bytes', 'Bytes in flight', bytes], ['client_websockets', 'WebSockets', integer],
    ['client_subscriptions', 'Subscriptions', integer], ['outbox_bytes', 'Outboxes', bytes, 'Waiting for clients to read'],
  ]],
  ['Upstream and observation', [
    ['upstream_subscriptions', 'Upstream subscriptions', integer], ['decisions_kept', 'Decisions kept', integer],
    ['feed_queued', 'Events queued', integer], ['feed_dropped', 'Events dropped', compact, 'Left out because the queue was full; no call waits for it'],
  ]],
];

let past = [];
let heard = 0;

function record(keys) {
  if (keys.has('profile')) past = [];
  const { system } = store.state;
  if (!system) return;
  if (past.length && Date.now() - heard > GAP_MS) past.push(...Array(Math.min(ROOM, Math.round((Date.now() - heard) / 2000) - 1)).fill(null));
  past = [...past, system].slice(-ROOM);
  heard = Date.now();
}

store.on(['system', 'profile'], record);

export function mount(root) {
  const about = h('dl', { class: 'about card' });
  const nothing = empty('No system figures', 'They are switched off: set dashboard.system to true in the settings.');
  const waiting = empty('Waiting for the first figures', 'They are collected every two seconds while somebody watches.');
  const cards = [];
  const groups = GROUPS.map(([title, figures], i) => section(title, { name: `system-${i}` }, h('div', { class: 'system-cards' }, figures.map((figure) => {
    const made = card(figure);
    cards.push(made);
    return made.element;
  }))));
  const body = h('div', { class: 'system-groups' }, groups);
  root.append(h('div', { class: 'page system' }, h('h1', { class: 'sr-only' }, 'System'), about, nothing, waiting, body));

  function draw() {
    const { system, node, connection } = store.state;
    show(body, Boolean(system));
    const arrived = connection === 'live' && node !== null;
    show(nothing, !system && arrived);
    show(waiting, !system && !arrived);
    for (const one of cards) one.update(system);
    drawAbout();
  }

  function drawAbout() {
    const { node, system, cluster } = store.state;
    const lines = node ? [
      ['Node', node.id], ['Region', node.region], ['Version', node.version], ['Up', duration(store.now() - node.started), date(node.started)],
      ['Worker threads', integer(system?.workers)], ['Cluster', cluster ? `${cluster.responding} of ${cluster.total}, ${cluster.state}` : '–'],
    ] : [];
    show(about, lines.length > 0);
    list(about, lines, ([name]) => name, ([name]) => h('div', null, h('dt', null, name), h('dd')), (line, [, value, title]) => {
      text(line.lastChild, value ?? '–');
      if (title) line.title = `Since ${title}`;
    });
  }

  const off = store.on(['system', 'profile', 'connection', 'cluster'], draw);
  const clock = setInterval(drawAbout, 1000);
  if (past.length === 0) record(new Set());
  draw();
  return {
    unmount() {
      off();
      clearInterval(clock);
    },
  };
}

function card([key, label, format, title]) {
  const value = h('b', { class: 'figure-value' });
  const range = h('small', { class: 'quiet number' });
  const line = spark({ high: key.endsWith('percent') ? 10 : 0 });
  const element = h('article', { class: 'card system-card', title, data: { figure: key } }, h('h3', null, label), value, range, line.element);
  return {
    element,
    update(system) {
      const known = system?.[key] ?? null;
      text(value, format(known));
      const values = past.map((one) => one?.[key] ?? null);
      const some = values.filter((one) => one !== null);
      text(range, some.length > 1 ? `${format(Math.min(...some))} to ${format(Math.max(...some))} in ${duration(values.length * 2000)}` : '');
      line.update(values, ROOM);
    },
  };
}
