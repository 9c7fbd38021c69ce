// Where would a call go? Asks the router without sending anything to a provider.

import { attr, h } from '../dom.js';
import { explanationView } from './explanation.js';
import { dropdown, empty, page } from './parts.js';

const STRATEGIES = [['', 'As configured'], ['load-balanced', 'Load Balanced'], ['latency-weighted', 'Latency Weighted'], ['fastest', 'Fastest'], ['priority', 'Priority']];
const TRANSPORTS = [['', 'Any'], ['http', 'HTTP'], ['ws', 'WebSocket']];

export function dryRun(store) {
  const chain = dropdown('Chain', 'dry-chain', [], '', () => {});
  const method = h('input', { name: 'dry-method', value: 'eth_getLogs', required: true, spellcheck: 'false', autocomplete: 'off' });
  const params = h('input', { name: 'dry-params', value: '[]', spellcheck: 'false', autocomplete: 'off', class: 'mono' });
  const strategy = dropdown('Strategy', 'dry-strategy', STRATEGIES, '', () => {});
  const transport = dropdown('Transport', 'dry-transport', TRANSPORTS, '', () => {});
  const submit = h('button', { type: 'submit', class: 'button primary' }, 'Explain');
  const result = h('div', { class: 'dry-result', 'aria-live': 'polite' });
  const field = (label, input, className = 'field') => h('label', { class: className }, h('span', { class: 'field-name' }, label), input);
  const form = h('form', { class: 'controls', 'aria-label': 'Dry run' },
    chain.element, field('Method', method), field('Parameters', params, 'field wide'), strategy.element, transport.element, submit);

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    attr(submit, 'aria-busy', 'true');
    const query = { chain: chain.value(), method: method.value.trim(), params: params.value, strategy: strategy.value(), transport: transport.value() };
    try {
      result.replaceChildren(explanationView(await page('/api/explain', query)));
    } catch (error) {
      result.replaceChildren(empty('The router would refuse this call', error.message));
    } finally {
      attr(submit, 'aria-busy', null);
    }
  });

  const box = h('details', { class: 'card dry-run' }, h('summary', null, h('b', null, 'Dry run'), h('span', { class: 'quiet' }, 'Where would a call go, and why? Nothing is sent.')), form, result);
  box.addEventListener('toggle', () => {
    chain.fill([...store.state.chains.values()].map((one) => [one.key, one.name ?? one.key]), chain.value() || store.state.selection.chain);
  });
  return box;
}
