// What stands around every tab: header, tabs, profile, theme, connection, and the line at the bottom.

import { attr, data, h, icon, list, show, text } from './dom.js';
import { MOON, SUN, WARNING } from './icons.js';
import { profileSelector } from './profiles.js';
import { STATUSES } from './status.js';

const TABS = [['overview', 'Dashboard'], ['metrics', 'Metrics'], ['streams', 'Streams'], ['decisions', 'Decisions'], ['system', 'System']];
const CONNECTIONS = { connecting: 'Connecting', live: 'Live', lost: 'Reconnecting' };

/** Builds the frame into `root`; the tabs go into the `main` that it returns. */
export function mountFrame(root, ctx) {
  const main = h('div', { class: 'panel', id: 'panel', role: 'tabpanel', tabindex: -1, 'aria-labelledby': 'tab-overview' });
  root.replaceChildren(
    h('a', { class: 'skip', href: '#panel', on: { click: (event) => { event.preventDefault(); main.focus(); } } }, 'Skip to content'),
    h('header', { class: 'header' }, logo(ctx), tabs(ctx, main), h('div', { class: 'header-end' }, profileSelector(ctx), connection(ctx), themeToggle())),
    h('main', { class: 'main' }, main),
    h('footer', { class: 'footer' }, clusterBadge(ctx), legend()),
  );
  return { main };
}

function logo({ router }) {
  const home = h('a', { class: 'logo', href: '/dashboard', 'aria-label': 'Lasso, to the overview' },
    h('svg', { viewBox: '0 0 20 20', width: 20, height: 20, fill: 'none', stroke: 'currentColor', 'stroke-width': 1.9, 'stroke-linecap': 'round', 'aria-hidden': 'true' },
      h('path', { d: 'M10 11.2c-4.2 0-7-1.6-7-3.9s2.9-3.9 7-3.9 7 1.6 7 3.9-2.9 3.9-7 3.9c-2 1.2-2.6 3.1-1.3 4.1 1.2.9 2.3 1.1 2.5 2.2' })),
    h('span', null, 'Lasso'));
  home.addEventListener('click', (event) => {
    if (!plain(event)) return;
    event.preventDefault();
    router.go({ tab: 'overview', chain: null, provider: null, request: null });
  });
  return home;
}

const plain = (event) => event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey;

function tabs({ router, store }, main) {
  const links = TABS.map(([tab, label]) => h('a', {
    id: `tab-${tab}`, role: 'tab', 'aria-controls': 'panel', data: { tab },
    on: {
      click(event) {
        if (!plain(event)) return;
        event.preventDefault();
        router.go({ tab, request: null });
      },
    },
  }, label));
  const bar = h('nav', { class: 'tabs', 'aria-label': 'Pages' }, h('div', { role: 'tablist', 'aria-label': 'Pages' }, links));
  bar.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const seen = links.filter((link) => !link.hidden);
    const next = seen[(seen.indexOf(document.activeElement) + step + seen.length) % seen.length];
    next.focus();
    next.click();
    event.preventDefault();
  });
  const update = (place) => {
    for (const link of links) {
      const { tab } = link.dataset;
      attr(link, 'href', router.href({ tab, request: null }));
      attr(link, 'aria-selected', String(tab === place.tab));
      attr(link, 'tabindex', tab === place.tab ? '0' : '-1');
    }
    attr(main, 'aria-labelledby', `tab-${place.tab}`);
    document.title = `${TABS.find(([tab]) => tab === place.tab)?.[1] ?? 'Dashboard'} · Lasso`;
  };
  // Figures of the process are shown where the router collects them.
  const system = () => show(links.at(-1), store.state.system != null || router.current().tab === 'system');
  router.on(update);
  store.on(['system', 'profile'], system);
  update(router.current());
  system();
  return bar;
}

function connection({ store }) {
  const label = h('span', null);
  const badge = h('div', { class: 'connection', role: 'status', 'aria-live': 'polite' }, h('span', { class: 'dot' }), label);
  const update = () => {
    data(badge, 'connection', store.state.connection);
    text(label, CONNECTIONS[store.state.connection]);
  };
  store.on(['connection'], update);
  update();
  return badge;
}

function themeToggle() {
  const root = document.documentElement;
  const button = h('button', { class: 'icon-button', type: 'button' }, icon(SUN), icon(MOON));
  const update = () => {
    const dark = root.dataset.theme !== 'light';
    attr(button, 'aria-label', dark ? 'Use the light theme' : 'Use the dark theme');
    show(button.firstChild, dark);
    show(button.lastChild, !dark);
  };
  button.addEventListener('click', () => {
    root.dataset.theme = root.dataset.theme === 'light' ? 'dark' : 'light';
    localStorage.setItem('lasso_theme', root.dataset.theme);
    update();
  });
  new MutationObserver(update).observe(root, { attributeFilter: ['data-theme'] });
  update();
  return button;
}

/** Older than this, what the other nodes said is being asked for again. */
const OLD = 30_000;

function clusterBadge({ store }) {
  const [label, warning, spinner] = [h('span', null), h('span', { class: 'warning' }, icon(WARNING, { size: 14, label: 'Some nodes do not report' })), h('span', { class: 'spinner', title: 'Refreshing' })];
  const badge = h('div', { class: 'cluster' }, h('span', { class: 'dot' }), label, warning, spinner);
  const update = () => {
    const cluster = store.state.cluster ?? { state: 'unknown', responding: 0, total: 0 };
    const alone = cluster.state === 'standalone';
    data(badge, 'cluster', cluster.state);
    text(label, alone ? 'Standalone node' : cluster.state === 'unknown' ? 'Waiting for the router' : `${cluster.responding}/${cluster.total} cluster nodes reporting`);
    show(warning, !alone && cluster.responding < cluster.total);
    show(spinner, cluster.updated != null && (!alone || store.state.connection !== 'live') && store.now() - cluster.updated > OLD);
  };
  store.on(['cluster', 'profile', 'connection'], update);
  setInterval(update, 10_000);
  update();
  return badge;
}

const LEGEND = ['healthy', 'lagging', 'testing_recovery', 'degraded', 'rate_limited', 'circuit_open'];

function legend() {
  const entries = [
    ...LEGEND.map((status) => [status, STATUSES[status].label, STATUSES[status].means]),
    ['ws', 'WS', 'The provider also takes WebSocket connections.'],
  ];
  const box = h('ul', { class: 'legend', id: 'legend', 'aria-label': 'Legend' });
  list(box, entries, ([status]) => status, ([status, label, means]) => h('li', null,
    h('button', { type: 'button', class: 'legend-entry', data: { status }, 'aria-describedby': `legend-${status}` }, h('span', { class: status === 'ws' ? 'dot ring' : 'dot' }), label),
    h('span', { class: 'tip', role: 'tooltip', id: `legend-${status}` }, means)));
  const toggle = h('button', { type: 'button', class: 'legend-toggle', 'aria-expanded': 'false', 'aria-controls': 'legend' }, 'Legend');
  const open = (wanted) => {
    attr(toggle, 'aria-expanded', String(wanted));
    data(box, 'open', wanted);
  };
  toggle.addEventListener('click', () => open(toggle.getAttribute('aria-expanded') !== 'true'));
  document.addEventListener('keydown', (event) => event.key === 'Escape' && open(false));
  return h('div', { class: 'legend-box' }, toggle, box);
}
