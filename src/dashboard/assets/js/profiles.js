// The drop-down list of profiles in the header.

import { attr, h, icon, list, show, text } from './dom.js';
import { monogram } from './format.js';
import { CHECK, CHEVRON_DOWN } from './icons.js';

const GROUPS = [['built_in', 'Built-in'], ['custom', 'Custom']];

export function profileSelector({ router, store }) {
  const badge = h('span', { class: 'monogram', 'aria-hidden': 'true' });
  const name = h('span', { class: 'profile-name' }, 'Profile');
  const button = h('button', { type: 'button', class: 'profile-button', 'aria-haspopup': 'listbox', 'aria-expanded': 'false', 'aria-controls': 'profiles' },
    badge, h('span', { class: 'sr-only' }, 'Profile: '), name, icon(CHEVRON_DOWN, { size: 14 }));
  const menu = h('div', { class: 'menu', id: 'profiles', role: 'listbox', 'aria-label': 'Profile', hidden: true });
  const box = h('div', { class: 'profiles' }, button, menu);

  const options = () => [...menu.querySelectorAll('[role=option]')];
  const open = (wanted) => {
    show(menu, wanted);
    attr(button, 'aria-expanded', String(wanted));
    if (wanted) (menu.querySelector('[aria-selected=true]') ?? options()[0])?.focus();
  };
  const choose = (slug) => {
    open(false);
    button.focus();
    router.go({ profile: slug, chain: null, provider: null, request: null });
  };

  button.addEventListener('click', () => open(menu.hidden));
  button.addEventListener('keydown', (event) => {
    if (event.key !== 'ArrowDown') return;
    event.preventDefault();
    open(true);
  });
  menu.addEventListener('keydown', (event) => {
    const all = options();
    const at = all.indexOf(document.activeElement);
    const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (next !== undefined) all[(next + all.length) % all.length]?.focus();
    else if (event.key === 'Enter' || event.key === ' ') document.activeElement.click();
    else if (event.key === 'Escape') {
      open(false);
      button.focus();
    } else return;
    event.preventDefault();
  });
  box.addEventListener('focusout', (event) => !box.contains(event.relatedTarget) && open(false));
  document.addEventListener('pointerdown', (event) => !box.contains(event.target) && open(false));

  const update = () => {
    const { profile, profiles } = store.state;
    const current = profiles.find(({ slug }) => slug === profile);
    text(name, current?.name ?? router.current().profile ?? 'Profile');
    text(badge, monogram(current?.logo ?? current?.name ?? '–'));
    const groups = GROUPS.map(([kind, label]) => ({ kind, label, members: profiles.filter((one) => one.kind === kind) }));
    list(menu, groups.filter(({ members }) => members.length), ({ kind }) => kind,
      ({ kind, label }) => h('div', { role: 'group', 'aria-labelledby': `profiles-${kind}` }, h('div', { class: 'menu-title', id: `profiles-${kind}` }, label), h('div', { role: 'presentation' })),
      (group, { members }) => list(group.lastChild, members, ({ slug }) => slug, ({ slug }) => option(slug, choose), (node, one) => {
        attr(node, 'aria-selected', String(one.slug === profile));
        const [logo, label, count] = node.children;
        text(logo, monogram(one.logo ?? one.name));
        text(label, one.name);
        text(count, `${one.chains} ${one.chains === 1 ? 'chain' : 'chains'}`);
      }));
  };
  store.on(['profile', 'profiles'], update);
  update();
  return box;
}

const option = (slug, choose) => h('div', { class: 'menu-item', role: 'option', tabindex: -1, data: { profile: slug }, on: { click: () => choose(slug) } },
  h('span', { class: 'monogram', 'aria-hidden': 'true' }), h('span', { class: 'menu-label' }), h('span', { class: 'muted number' }), icon(CHECK, { size: 14 }));
