// Where would a call go? Asks the router without sending anything to a provider.

import { attr, h } from '../dom.js';
import { explanationView } from './explanation.js';
import { dropdown, empty, field, page } from './parts.js';

const STRATEGIES = [['', 'As configured'], ['load-balanced', 'Load Balanced'], ['latency-weighted', 'Latency Weighted'], ['fastest', 'Fastest'], ['priority', 'Priority']];

export function dryRun(store) {
  const fields = {
    chain: dropdown('Chain', 'dry-chain', [], ''),
    method: field('Method', { name: 'dry-method', value: 'eth_getLogs', required: true }),
    params: field('Parameters', { name: 'dry-params', value: '[]' }),
    strategy: dropdown('Strategy', 'dry-strategy', STRATEGIES, ''),
    transport: dropdown('Transport', 'dry-transport', [['', 'Any'], ['http', 'HTTP'], ['ws', 'WebSocket']], ''),
  };
  const submit = h('button', { type: 'submit', class: 'button primary' }, 'Explain');
  const result = h('div', { class: 'dry-result', 'aria-live': 'polite' });
  const explain = async (event) => {
    event.preventDefault();
    attr(submit, 'aria-busy', 'true');
    try {
      const query = Object.fromEntries(Object.entries(fields).map(([name, one]) => [name, one.value()]));
      result.replaceChildren(explanationView(await page('/api/explain', query)));
    } catch (error) {
      result.replaceChildren(empty('The router would refuse this call', error.message));
    }
    attr(submit, 'aria-busy', null);
  };
  const form = h('form', { class: 'controls', 'aria-label': 'Dry run', on: { submit: explain } }, Object.values(fields).map((one) => one.element), submit);
  const chains = () => fields.chain.fill([...store.state.chains.values()].map((one) => [one.key, one.name ?? one.key]), fields.chain.value() || store.state.selection.chain);
  return h('details', { class: 'card dry-run', on: { toggle: chains } },
    h('summary', null, h('b', null, 'Dry run'), h('span', { class: 'quiet' }, 'Where would a call go, and why? Nothing is sent.')), form, result);
}
