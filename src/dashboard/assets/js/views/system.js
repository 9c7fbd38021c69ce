// What the process uses and holds. The last minutes are kept here, in the browser, from when the page was first opened.

import { attr, h, list, show, text } from '../dom.js';
import { bytes, compact, date, duration, integer, percent } from '../format.js';
import { spark } from '../charts/spark.js';
import { store } from '../store.js';
import { empty, section, sheets } from './parts.js';

await sheets('parts', 'charts', 'system');

/** Ten minutes of a figure every two seconds; the least that a line is drawn over is one minute. */
const [STEP_MS, ROOM, LEAST] = [2000, 300, 30];

const GROUPS = {
  Process: [['cpu_percent', 'CPU', percent, 'Of one core'], ['memory_bytes', 'Resident memory', bytes], ['open_sockets', 'Open sockets', integer]],
  Runtime: [['worker_busy_percent', 'Workers busy', percent], ['tasks', 'Tasks', integer], ['queue_depth', 'Run queue', integer, 'Tasks that wait for a thread']],
  Clients: [
    ['inflight_requests', 'Requests in flight', integer], ['inflight_bytes', 'Bytes in flight', bytes], ['client_websockets', 'WebSockets', integer],
    ['client_subscriptions', 'Subscriptions', integer], ['outbox_bytes', 'Outboxes', bytes, 'Waiting for clients to read'],
  ],
  'Upstream and observation': [
    ['upstream_subscriptions', 'Upstream subscriptions', integer], ['decisions_kept', 'Decisions kept', integer],
    ['feed_queued', 'Events queued', integer], ['feed_dropped', 'Events dropped', compact, 'Left out because the queue was full; no call waits for it'],
  ],
};

let past = [];
let heard = 0;

function record(keys) {
  if (keys.has('profile')) past = [];
  const { system } = store.state;
  if (!system) return;
  const missed = past.length ? Math.min(ROOM, Math.round((Date.now() - heard) / STEP_MS) - 1) : 0;
  past = [...past, ...Array(missed > 1 ? missed : 0).fill(null), system].slice(-ROOM);
  heard = Date.now();
}

store.on(['system', 'profile'], record);

export function mount(root) {
  const about = h('dl', { class: 'about card' });
  const nothing = empty('No system figures', 'They are switched off: set dashboard.system to true in the settings.');
  const waiting = empty('Waiting for the first figures', 'They are collected every two seconds while somebody watches.');
  const cards = Object.values(GROUPS).map((figures) => figures.map(card));
  const body = h('div', { class: 'system-groups' }, Object.keys(GROUPS).map((title, i) =>
    section(title, { name: `system-${i}` }, h('div', { class: 'system-cards' }, cards[i].map((one) => one.element)))));
  root.append(h('div', { class: 'page system', tabindex: 0 }, h('h1', { class: 'sr-only' }, 'System'), about, nothing, waiting, body));

  function draw() {
    const { system, node, connection } = store.state;
    const arrived = connection === 'live' && node !== null;
    show(body, Boolean(system));
    show(nothing, !system && arrived);
    show(waiting, !system && !arrived);
    for (const one of cards.flat()) one.update(system);
    drawAbout();
  }

  function drawAbout() {
    const { node, system, cluster } = store.state;
    const lines = node ? [
      ['Node', node.id], ['Region', node.region], ['Version', node.version], ['Up', duration(store.now() - node.started), `Since ${date(node.started)}`],
      ['Worker threads', integer(system?.workers)], ['Cluster', cluster && `${cluster.responding} of ${cluster.total}, ${cluster.state}`],
    ] : [];
    show(about, lines.length > 0);
    list(about, lines, ([name]) => name, ([name]) => h('div', null, h('dt', null, name), h('dd')), (line, [, value, title]) => {
      text(line.lastChild, value ?? '–');
      attr(line, 'title', title);
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
  const [value, range] = [h('b', { class: 'tile-value' }), h('small', { class: 'quiet number' })];
  const line = spark(key.endsWith('percent') ? 10 : 0);
  return {
    element: h('article', { class: 'card system-card', title, data: { figure: key } }, h('h3', null, label), value, range, line.element),
    update(system) {
      text(value, format(system?.[key]));
      const values = past.map((one) => one?.[key] ?? null);
      const some = values.filter((one) => one !== null);
      const [least, most] = [format(Math.min(...some)), format(Math.max(...some))];
      text(range, some.length < 2 ? '' : `${least === most ? 'unchanged' : `${least} to ${most}`} in ${duration(values.length * STEP_MS)}`);
      line.update(values, Math.max(LEAST, values.length));
    },
  };
}
