// Starts everything: the frame, the tab of the address, and the stream of the profile.

import { mountFrame } from './frame.js';
import { h } from './dom.js';
import { follow } from './live.js';
import { router } from './router.js';
import { store } from './store.js';

const REMEMBERED = 'lasso_selected_profile';

/** Each tab is a module with `mount(root, ctx)`, which returns `{ unmount() }`. */
const TABS = {
  overview: () => import('./views/overview.js'),
  metrics: () => import('./views/metrics.js'),
  streams: () => import('./views/streams.js'),
  decisions: () => import('./views/decisions.js'),
  system: () => import('./views/system.js'),
};

const ctx = { store, router };
const { main } = mountFrame(document.getElementById('app'), ctx);
let shown = { tab: null, view: null };
let followed;

async function show(tab) {
  if (tab === shown.tab) return;
  shown.view?.unmount?.();
  shown = { tab, view: null };
  const root = h('div', { class: `view view-${tab}` });
  main.replaceChildren(root);
  try {
    const { mount } = await (TABS[tab] ?? TABS.overview)();
    if (shown.tab === tab) shown.view = mount(root, ctx);
  } catch (error) {
    console.error(error);
    root.append(h('p', { class: 'notice', role: 'alert' }, 'This page could not be loaded. Is the router still running?'));
  }
}

/** Brings everything to where the address says. */
function arrive(place) {
  if (place.profile !== followed) {
    const first = followed === undefined;
    followed = place.profile;
    if (!first) store.clear();
    follow(place.profile, () => {
      sessionStorage.removeItem(REMEMBERED);
      router.go({ profile: null, chain: null, provider: null }, { replace: true });
    });
  }
  store.select({ chain: place.chain, provider: place.provider });
  show(place.tab in TABS ? place.tab : 'overview');
}

if (!router.current().profile) {
  const remembered = sessionStorage.getItem(REMEMBERED);
  if (remembered) router.go({ profile: remembered }, { replace: true });
}
router.on((place) => {
  if (place.profile) sessionStorage.setItem(REMEMBERED, place.profile);
  arrive(place);
});
store.on(['selection'], () => router.go(store.state.selection));
arrive(router.current());
