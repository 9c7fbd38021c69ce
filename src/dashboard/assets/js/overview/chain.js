// One chain: its addresses, how it does, where its calls go, and its providers.

import { attr, data, h, list, show, text } from '../dom.js';
import { compact, integer, ms, percent, strategy } from '../format.js';
import { CHAIN_STATUSES, statusOf } from '../status.js';
import { answerer } from './activity.js';
import { endpoints } from './endpoints.js';
import { bar, figures, fill, section } from './parts.js';
import { ALL, regionTabs } from './regions.js';

export function chainView(ctx, key) {
  const { store, router } = ctx;
  const facts = figures({ id: 'Chain ID', height: 'Consensus block', connected: 'Connected' });
  const urls = endpoints(ctx, key);
  const speed = figures({ p50: 'p50', p95: 'p95', success: 'Success', rps: 'RPS' });
  let region = ALL;
  const regions = regionTabs((next) => {
    region = next;
    update();
  });
  const regionPart = section('Region', regions.box);
  const last = h('button', { type: 'button', class: 'line decision', on: { click: () => last.dataset.request && router.go({ tab: 'decisions', request: last.dataset.request }) } });
  const noDecision = h('p', { class: 'muted' }, 'No call yet.');
  const shares = h('ul', { class: 'shares', 'aria-label': 'Share of calls in the last five minutes' });
  const providers = h('ul', { class: 'providers' });

  const get = () => store.state.chains.get(key);

  function update() {
    const chain = get();
    const { cluster } = store.state;
    facts.set({ id: String(chain.chain_id), height: integer(chain.height), connected: `${chain.connected}/${chain.total}` });
    urls.update();
    show(regionPart, (cluster?.total ?? 1) > 1);
    regions.set(cluster?.regions ?? [], region);
    speed.set({ p50: ms(chain.p50_ms), p95: ms(chain.p95_ms), success: percent(chain.success_rate), rps: compact(chain.rps) });
    decision(chain.last_decision);
    list(shares, chain.shares ?? [], ({ provider }) => provider, () => h('li', null, h('span', { class: 'share-name' }), bar(), h('span', { class: 'number' })), (node, share) => {
      text(node.children[0], name(share.provider));
      fill(node.children[1], share.share, store.provider(key, share.provider)?.status);
      text(node.children[2], percent(share.share));
      attr(node, 'title', `${integer(share.calls)} calls`);
    });
    const members = store.providersOf(key).filter((one) => region === ALL || one.region === region);
    members.sort((a, b) => statusOf(a.status).rank - statusOf(b.status).rank || (a.name < b.name ? -1 : 1));
    list(providers, members, (one) => one.key, providerLine, (node, one) => {
      const [button] = node.children;
      data(button, 'status', one.status);
      text(button.children[1], one.name);
      text(button.children[2], one.status === 'healthy' ? '' : statusOf(one.status).label);
      text(button.children[3], one.lag ? `-${one.lag}` : '');
      text(button.children[4], ms(one.p50_ms));
    });
  }

  const name = (id) => store.provider(key, id)?.name ?? id;
  const providerLine = ({ id }) => h('li', null, h('button', { type: 'button', class: 'provider-line', on: { click: () => store.select({ chain: key, provider: id }) } },
    h('span', { class: 'dot' }), h('span', { class: 'provider-line-name' }), h('span', { class: 'provider-line-status' }), h('span', { class: 'number muted' }), h('span', { class: 'number' })));

  function decision(latest) {
    show(last, latest != null);
    show(noDecision, latest == null);
    if (!latest || last.dataset.request === latest.request_id) return;
    data(last, 'request', latest.request_id);
    data(last, 'result', latest.result);
    last.replaceChildren(
      h('span', { class: 'line-text' }, h('span', { class: 'line-method' }, latest.method), h('span', { class: 'muted' }, ' → '), answerer(latest)),
      h('span', { class: 'muted' }, strategy(latest.strategy)), h('span', { class: 'line-time' }, ms(latest.duration_ms)));
  }

  return {
    name: 'chain',
    chain: key,
    body: [facts.row, section('Endpoints', ...urls.nodes), regionPart, section('Performance', speed.row),
      section('Routing decisions', last, noDecision, shares), section('Providers', providers)],
    exists: () => get() != null,
    heading() {
      const { name: title, status } = get();
      return { name: title, status, label: CHAIN_STATUSES[status] ?? 'Unknown', details: '' };
    },
    update,
  };
}
