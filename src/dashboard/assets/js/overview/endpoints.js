// The addresses of a chain: for each strategy, without one, and for one provider alone.

import { h, show, text } from '../dom.js';
import { copyButton, segments } from './parts.js';

const STRATEGIES = [
  ['load-balanced', 'Load Balanced', 'Spreads calls over all healthy providers; the plain choice for most uses.'],
  ['latency-weighted', 'Latency Weighted', 'Sends more calls to the quicker providers and still asks the others now and then.'],
  ['fastest', 'Fastest', 'Sends each call to the provider that answers its method quickest and reliably.'],
];
const BASE = ['base', 'Default', 'No strategy in the address: the router uses the default of its settings.'];
const PINNED = 'Only this provider answers: nothing else is tried when it fails.';

/** The path of a chain for HTTP; for WebSocket it begins with `/ws`. */
export function path(profile, chain, { strategy, provider } = {}) {
  const middle = provider ? ['provider', provider] : strategy && strategy !== 'base' ? [strategy] : [];
  return ['', 'rpc', 'profile', profile, ...middle, chain].map(encodeURIComponent).join('/');
}

export function endpoints({ store }, chain) {
  let chosen = { strategy: STRATEGIES[0][0] };
  const strategies = segments('Strategy', [...STRATEGIES, BASE].map(([value, label]) => [value, label]), (strategy) => choose({ strategy }));
  const pin = h('select', { class: 'select', 'aria-label': 'Pinned to one provider', on: { change: () => choose(pin.value ? { provider: pin.value } : { strategy: STRATEGIES[0][0] }) } });
  const line = h('p', { class: 'muted endpoint-line' });
  const http = field('HTTP', 'http', 'Copy the HTTP address');
  const ws = field('WS', 'ws', 'Copy the WebSocket address');
  const noWs = h('p', { class: 'endpoint-none muted', hidden: true }, 'No provider of this chain takes WebSocket connections.');

  function choose(next) {
    chosen = next;
    update();
  }

  function update() {
    const { profile, default_strategy: usual } = store.state;
    const providers = store.providersOf(chain);
    options(pin, providers);
    if (chosen.provider && !providers.some(({ id }) => id === chosen.provider)) chosen = { strategy: STRATEGIES[0][0] };
    pin.value = chosen.provider ?? '';
    strategies.set(chosen.strategy);
    const words = [...STRATEGIES, BASE].find(([value]) => value === chosen.strategy)?.[2] ?? PINNED;
    text(line, chosen.strategy === 'base' && usual ? `${words} Now: ${usual.replaceAll('_', ' ')}.` : words);
    const where = path(profile, chain, chosen);
    http.set(`${location.origin}${where}`);
    ws.set(`${location.origin.replace(/^http/, 'ws')}/ws${where}`);
    const candidates = chosen.provider ? providers.filter(({ id }) => id === chosen.provider) : providers;
    const sockets = candidates.some(({ transports }) => transports.includes('ws'));
    show(ws.row, sockets);
    show(noWs, !sockets);
    text(noWs, chosen.provider ? 'This provider takes no WebSocket connections.' : 'No provider of this chain takes WebSocket connections.');
  }

  return { nodes: [h('div', { class: 'endpoint-choice' }, strategies.row, pin), line, http.row, ws.row, noWs], update };
}

function field(label, kind, copyLabel) {
  const address = h('code', { class: 'field address', data: { address: kind } });
  const row = h('div', { class: 'endpoint' }, h('span', { class: 'endpoint-kind' }, label), address, copyButton(copyLabel, () => address.textContent));
  return { row, set: (value) => text(address, value) };
}

function options(select, providers) {
  const names = providers.map(({ id, name }) => `${id}\n${name}`).join('\n\n');
  if (select.dataset.names === names) return;
  select.dataset.names = names;
  select.replaceChildren(h('option', { value: '' }, 'Pin a provider…'), ...providers.map(({ id, name }) => h('option', { value: id }, name)));
}
