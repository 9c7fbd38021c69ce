// The floating window: the profile, the selected chain, or the selected provider.

import { attr, data, h, icon, show, text } from '../dom.js';
import { CHEVRON_DOWN, CHEVRON_UP } from '../icons.js';
import { chainView } from './chain.js';
import { providerView } from './provider.js';
import { summaryView } from './summary.js';

const KEYS = ['profile', 'chains', 'providers', 'stats', 'events', 'cluster'];
const COLLAPSED = 'lasso_details_collapsed';
/** The width below which the window is a sheet at the bottom (as in details.css). */
const SHEET = matchMedia('(max-width: 720px)');

/** Builds the window into `root`; `onResize` is called when it covers more or less of the picture. */
export function mountDetails(root, ctx, onResize) {
  const { store } = ctx;
  const back = h('button', { type: 'button', class: 'back', on: { click: () => store.select(up()) } });
  const [title, pill, sub] = [h('h1', null), h('span', { class: 'pill' }, h('span', { class: 'dot' }), h('span', null)), h('p', { class: 'details-sub' })];
  const collapse = h('button', { type: 'button', class: 'icon-button collapse', 'aria-controls': 'details-body', on: { click: () => fold(!folded()) } });
  const head = h('div', { class: 'details-head' }, h('div', { class: 'details-title' }, back, h('div', { class: 'details-name' }, title, pill), sub), collapse);
  const body = h('div', { class: 'details-body', id: 'details-body' });
  const box = h('section', { class: 'details', 'aria-label': 'Details' }, head, body);
  root.append(box);

  const folded = () => 'collapsed' in box.dataset;
  const up = () => (store.state.selection.provider ? { chain: store.state.selection.chain } : {});

  function fold(wanted) {
    data(box, 'collapsed', wanted);
    if (view.name === 'summary') sessionStorage.setItem(COLLAPSED, wanted ? 'yes' : 'no');
    attr(collapse, 'aria-expanded', String(!wanted));
    attr(collapse, 'aria-label', wanted ? 'Expand details' : 'Collapse details');
    collapse.replaceChildren(icon(wanted ? CHEVRON_DOWN : CHEVRON_UP));
    onResize();
  }

  let view = null;
  function open() {
    const { chain, provider } = store.state.selection;
    view?.close?.();
    if (provider && store.provider(chain, provider)) view = providerView(ctx, chain, provider);
    else if (chain && store.state.chains.has(chain)) view = chainView(ctx, chain);
    else view = summaryView(ctx);
    data(box, 'view', view.name);
    body.replaceChildren(...view.body);
    body.scrollTop = 0;
    update();
    if (view.name !== 'summary' && folded()) fold(false);
  }

  function update(keys, items) {
    if (!view.exists()) return open();
    const { name, status, label, details } = view.heading();
    const { provider } = store.state.selection;
    text(title, name);
    text(sub, details);
    show(back, view.name !== 'summary');
    text(back, provider ? `‹ ${store.state.chains.get(view.chain)?.name ?? 'Chain'}` : '‹ All chains');
    show(pill, label != null);
    data(pill, 'status', status);
    text(pill.lastChild, label);
    view.update(keys, items);
  }

  const ends = [store.on(['selection'], open), store.on(KEYS, (keys, items) => (wanted() === view.name ? update(keys, items) : open()))];
  // Waits and ages run on between two messages.
  const clock = setInterval(() => update(), 1000);
  /** The kind of view that the selection asks for: what is selected may come later than the selection. */
  const wanted = () => {
    const { chain, provider } = store.state.selection;
    if (provider && store.provider(chain, provider)) return 'provider';
    return chain && store.state.chains.has(chain) ? 'chain' : 'summary';
  };

  open();
  const remembered = sessionStorage.getItem(COLLAPSED);
  attr(collapse, 'aria-expanded', 'true');
  // On a phone the picture comes first. Who comes to see a chain or a provider wants to see it.
  fold(view.name === 'summary' && (remembered ? remembered === 'yes' : SHEET.matches));
  return {
    /** What the window covers of the picture, and on a phone the tester too. */
    insets() {
      if (SHEET.matches) return { bottom: box.offsetHeight, top: root.querySelector('.tester')?.offsetHeight ?? 0 };
      return { right: folded() ? 0 : box.offsetWidth + 16 };
    },
    unmount() {
      for (const end of ends) end();
      clearInterval(clock);
      view.close?.();
    },
  };
}
