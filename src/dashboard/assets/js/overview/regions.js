// From which region a thing is seen: all together, or one.

import { attr, data, h, list, show } from '../dom.js';

/** As many regions as have a button of their own; more are a list. */
const BUTTONS = 3;
export const ALL = 'aggregate';

/** `onChoose(region)`; `ALL` for all together. `set(regions, chosen, hasIssues)` shows them. */
export function regionTabs(onChoose) {
  const row = h('div', { class: 'segments', role: 'group', 'aria-label': 'Region' });
  const choice = h('select', { class: 'select', 'aria-label': 'Region', on: { change: () => onChoose(choice.value) } });
  const box = h('div', { class: 'regions' }, row, choice);
  const label = (region) => (region === ALL ? 'Aggregate' : region);
  return {
    box,
    set(regions, chosen, hasIssues = () => false) {
      const all = [ALL, ...regions];
      const asList = regions.length > BUTTONS;
      show(row, !asList);
      show(choice, asList);
      list(row, asList ? [] : all, (region) => region,
        (region) => h('button', { type: 'button', data: { region }, on: { click: () => onChoose(region) } }, label(region), h('span', { class: 'dot issue-dot', role: 'img', 'aria-label': 'has issues' })),
        (node, region) => {
          attr(node, 'aria-pressed', String(region === chosen));
          data(node, 'issues', region !== ALL && hasIssues(region));
          show(node.lastChild, region !== ALL && hasIssues(region));
        });
      list(choice, asList ? all : [], (region) => region, (region) => h('option', { value: region }), (node, region) => {
        node.textContent = `${label(region)}${region !== ALL && hasIssues(region) ? ' ●' : ''}`;
      });
      if (asList) choice.value = chosen;
    },
  };
}
