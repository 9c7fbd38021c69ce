// The picture: chains, their providers around them, and lines in the colour of what is known of each.

import { attr, data, h, icon, list, style, text } from '../dom.js';
import { integer, monogram } from '../format.js';
import { FIT, GLOBE, MINUS, PLUS } from '../icons.js';
import { CHAIN_STATUSES, statusOf } from '../status.js';
import { Canvas } from './canvas.js';
import { Flow } from './flow.js';
import { bounds, HEIGHT, layout, NODE, WIDTH } from './layout.js';

/** Names are always shown where there is room for them: around so few providers of so few chains. */
const NAMED = { providers: 7, chains: 3 };
const STEP = 80;

export function mountTopology(root, { store, insets }) {
  const lines = h('svg', { class: 'lines', width: WIDTH, height: HEIGHT, 'aria-hidden': 'true' });
  const nodes = h('div', { class: 'nodes' });
  const stage = h('div', { class: 'stage' }, lines, nodes);
  const frame = h('div', { class: 'topology', role: 'group', 'aria-label': 'Chains and providers' }, stage);
  const empty = h('p', { class: 'notice topology-empty', hidden: true }, 'This profile has no chains.');
  const canvas = new Canvas(frame, stage, {
    size: { width: WIDTH, height: HEIGHT }, insets,
    onEmpty() {
      store.select();
      canvas.look({ scale: 1 }, 300);
    },
  });
  const flow = new Flow(lines);
  // First in the order of keys: the window beside it is long.
  root.prepend(frame, empty, controls());

  let places = layout([], () => []);
  let fitted = null;
  let seen = 0;

  /** Puts everything into its place: chains or providers came or went. */
  function arrange() {
    const { state } = store;
    places = layout([...state.chains.values()], (chain) => store.providersOf(chain));
    const order = [...places.chains.keys()];
    list(nodes, order, (key) => key, group, (node, key) => {
      const providers = [...places.providers.keys()].filter((one) => places.providers.get(one).chain === key);
      data(node, 'names', order.length <= NAMED.chains && providers.length <= NAMED.providers);
      list(node.lastChild, providers, (one) => one, providerNode, updateProvider);
      updateChain(node.firstChild, key);
    });
    list(lines, [...places.providers.keys()], (key) => key, (key) => h('line', { data: { line: key } }), updateLine);
    empty.hidden = order.length > 0 || state.profile == null;
    if (state.profile !== fitted && state.profile != null) {
      fitted = state.profile;
      if (state.selection.chain) follow(0);
      else canvas.fit(bounds(places));
    }
  }

  const group = (key) => h('div', { class: 'group' }, chainNode(key), h('div', { class: 'orbit' }));

  function chainNode(key) {
    return h('button', { type: 'button', class: 'chain', data: { chain: key }, on: { click: () => store.select({ chain: key }), focus } },
      h('span', { class: 'chain-logo', 'aria-hidden': 'true' }), h('span', { class: 'chain-name' }), h('span', { class: 'chain-height mono' }), h('span', { class: 'sr-only' }));
  }

  function updateChain(node, key) {
    const chain = store.state.chains.get(key);
    const { x, y, radius } = places.chains.get(key);
    place(node, x, y, radius);
    style(node, '--chain', chain.color ?? '#6B7280');
    data(node, 'status', chain.status);
    data(node, 'size', chain.size);
    const [logo, name, height, spoken] = node.children;
    text(spoken, `: ${CHAIN_STATUSES[chain.status] ?? 'Unknown'}, ${chain.connected} of ${chain.total} providers connected`);
    text(logo, monogram(chain.logo ?? chain.name));
    text(name, chain.name);
    text(height, integer(chain.height));
  }

  function providerNode(key) {
    const [chain, id] = split(key);
    return h('button', { type: 'button', class: 'provider', data: { provider: key }, on: { click: () => store.select({ chain, provider: id }), focus } },
      h('span', { class: 'provider-logo', 'aria-hidden': 'true' }), h('span', { class: 'globe', 'aria-hidden': 'true' }, icon(GLOBE, { size: 10 })), h('span', { class: 'provider-name', 'aria-hidden': 'true' }), h('span', { class: 'sr-only' }));
  }

  function updateProvider(node, key) {
    const provider = store.state.providers.get(key);
    const { x, y, angle } = places.providers.get(key);
    place(node, x, y, NODE);
    const ws = provider.transports.includes('ws');
    data(node, 'status', provider.status);
    data(node, 'ws', ws);
    // A name stands outside of the circle, where the line does not run.
    data(node, 'side', Math.abs(Math.cos(angle)) > 0.8 ? (Math.cos(angle) > 0 ? 'right' : 'left') : Math.sin(angle) > 0 ? 'below' : 'above');
    const [logo, , name, spoken] = node.children;
    text(spoken, `${provider.name} on ${provider.chain}: ${statusOf(provider.status).label}${ws ? ', WebSocket' : ''}`);
    text(logo, monogram(provider.name));
    text(name, provider.name);
  }

  function updateLine(line, key) {
    const to = places.providers.get(key);
    const from = places.chains.get(to.chain);
    const [across, down] = [Math.cos(Math.atan2(to.y - from.y, to.x - from.x)), Math.sin(Math.atan2(to.y - from.y, to.x - from.x))];
    attr(line, 'x1', (from.x + across * from.radius).toFixed(1));
    attr(line, 'y1', (from.y + down * from.radius).toFixed(1));
    attr(line, 'x2', (to.x - across * NODE).toFixed(1));
    attr(line, 'y2', (to.y - down * NODE).toFixed(1));
    data(line, 'status', store.state.providers.get(key).status);
  }

  const height = (node) => node.children[2];
  const find = (name, key) => nodes.querySelector(`[data-${name}="${CSS.escape(key)}"]`);

  /** Touches the nodes that changed, and no other. */
  function change(keys, { chains, providers }) {
    const { state } = store;
    const known = ([key, now, before]) => now.has(key) === before.has(key);
    const same = [...chains].every((key) => known([key, state.chains, places.chains]))
      && [...providers].every((key) => known([key, state.providers, places.providers]));
    const grown = [...chains].some((key) => state.chains.has(key) && find('chain', key)?.dataset.size !== String(state.chains.get(key).size));
    if (keys.has('profile') || !same || grown) {
      arrange();
    } else {
      for (const key of chains) {
        const node = find('chain', key);
        const { textContent: before } = height(node);
        updateChain(node, key);
        if (before !== height(node).textContent) flow.block(node);
      }
      for (const key of providers) {
        updateProvider(find('provider', key), key);
        updateLine(lines.querySelector(`[data-line="${CSS.escape(key)}"]`), key);
      }
    }
  }

  /** Marks the selected and goes there. */
  function follow(time) {
    const { chain, provider } = store.state.selection;
    for (const node of nodes.querySelectorAll('[aria-pressed]')) node.removeAttribute('aria-pressed');
    for (const node of nodes.children) data(node, 'selected', node.firstChild.dataset.chain === chain);
    const key = `${chain}/${provider}`;
    const node = provider && places.providers.has(key) ? find('provider', key) : chain && find('chain', chain);
    if (!node) return;
    attr(node, 'aria-pressed', 'true');
    const { x, y, reach } = places.chains.get(chain);
    if (provider && places.providers.has(key)) canvas.look({ ...places.providers.get(key), scale: 1.4 }, time ?? 800);
    else canvas.look({ x, y, scale: canvas.within(reach, 1.25) }, time ?? 800);
  }

  /** Calls run along their lines. */
  function decisions() {
    for (const event of store.state.events) {
      if (event.id <= seen) continue;
      seen = event.id;
      if (event.kind === 'decision' && event.provider) flow.call(`${event.chain}/${event.provider}`, event.result);
    }
  }

  function focus({ currentTarget }) {
    if (!currentTarget.matches(':focus-visible')) return;
    const { chain, provider } = currentTarget.dataset;
    canvas.reveal(provider ? places.providers.get(provider) : places.chains.get(chain));
  }

  function controls() {
    const button = (label, drawing, act) => h('button', { type: 'button', class: 'icon-button', 'aria-label': label, on: { click: act } }, icon(drawing));
    return h('div', { class: 'zoom', role: 'group', 'aria-label': 'Zoom' },
      button('Zoom in', PLUS, () => canvas.zoom(1.25)), button('Zoom out', MINUS, () => canvas.zoom(0.8)), button('Show everything', FIT, () => canvas.fit(bounds(places), 400)));
  }

  frame.addEventListener('keydown', (event) => {
    const act = {
      ArrowLeft: () => canvas.pan(-STEP, 0), ArrowRight: () => canvas.pan(STEP, 0), ArrowUp: () => canvas.pan(0, -STEP), ArrowDown: () => canvas.pan(0, STEP),
      '+': () => canvas.zoom(1.25), '=': () => canvas.zoom(1.25), '-': () => canvas.zoom(0.8), 0: () => canvas.fit(bounds(places), 400),
      Escape() {
        store.select();
        canvas.look({ scale: 1 }, 300);
      },
    }[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });

  const ends = [
    store.on(['profile', 'chains', 'providers'], change),
    store.on(['selection'], () => follow()),
    store.on(['events'], decisions),
  ];
  seen = store.state.events.at(-1)?.id ?? 0;
  arrange();
  follow(0);
  return {
    canvas,
    unmount() {
      for (const end of ends) end();
      canvas.close();
    },
  };
}

function place(node, x, y, radius) {
  style(node, 'left', `${(x - radius).toFixed(1)}px`);
  style(node, 'top', `${(y - radius).toFixed(1)}px`);
  style(node, '--radius', `${radius}px`);
}

function split(key) {
  const at = key.indexOf('/');
  return [key.slice(0, at), key.slice(at + 1)];
}
