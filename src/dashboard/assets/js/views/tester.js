// The request tester: a window over the picture that sends real calls, so that there is something to see.

import { attr, data, h, icon, list, show, text } from '../dom.js';
import { clock, integer, ms } from '../format.js';
import { CHEVRON_DOWN } from '../icons.js';
import { router } from '../router.js';
import { store } from '../store.js';
import { choice, sheets } from './parts.js';
import { QUICK, TestRun, custom } from './tester-run.js';

await sheets('tester');

const RATES = [5, 15, 30];
const STRATEGIES = [['load-balanced', 'Load Balanced'], ['latency-weighted', 'Latency Weighted'], ['fastest', 'Fastest']];

// A run goes on while other tabs are looked at, and its figures stay until the next one.
let run = null;
let watching = null;
/** What was chosen; all chains while `chains` is null. */
const wish = { open: false, chains: null, strategy: 'load-balanced', rate: 5 };

// Its calls belong to one profile.
store.on(['profile'], () => run && store.state.profile !== run.profile && run.stop());

function start(plan) {
  const { state } = store;
  const all = [...state.chains.values()];
  const chains = wish.chains && plan !== QUICK ? all.filter((chain) => wish.chains.has(chain.key)) : all;
  if (!state.profile || chains.length === 0) return;
  run?.stop();
  const mine = new TestRun({ ...plan, profile: state.profile, chains }, () => mine === run && watching?.());
  run = mine;
  run.start();
}

export function mountTester(root) {
  const counters = Object.fromEntries([
    ['success', 'Success'], ['errors', 'Errors'], ['average', 'Avg'], ['active', 'HTTP active'], ['open', 'WS open'],
  ].map(([name, label]) => [name, h('div', { class: 'count', data: { count: name } }, h('b', null, '0'), h('span', null, label))]));
  const stop = h('button', { type: 'button', class: 'button stop', data: { action: 'stop' }, on: { click: () => run?.stop() } }, 'Stop');
  const quick = h('button', { type: 'button', class: 'button', title: '30 seconds at 5 requests a second, with two newHeads streams', data: { action: 'quick' }, on: { click: () => start(QUICK) } }, 'Quick run');
  const go = h('button', { type: 'button', class: 'button primary', data: { action: 'run' }, on: { click: () => start(custom(wish)) } }, 'Run');
  const state = h('span', { class: 'quiet tester-state', role: 'status' });
  const toggle = h('button', { type: 'button', class: 'icon-button', 'aria-controls': 'tester-body', on: { click: () => { wish.open = !wish.open; draw(); } } }, icon(CHEVRON_DOWN));

  const chains = h('div', { class: 'tester-chains', role: 'group', 'aria-label': 'Chains' });
  const strategies = choice('Strategy', 'tester-strategy', STRATEGIES.map(([value, label]) => ({ value, label })), wish.strategy, (value) => { wish.strategy = value; });
  const rates = choice('Requests per second', 'tester-rate', [], wish.rate, (value) => { wish.rate = value; });
  const limit = h('p', { class: 'quiet' });
  const calls = h('ol', { class: 'tester-calls', 'aria-label': 'Last calls', tabindex: 0 });
  const none = h('p', { class: 'quiet' }, 'The last 50 calls are listed here.');
  const label = (name, ...controls) => h('div', { class: 'tester-field' }, h('span', { class: 'input-name' }, name), controls);
  const body = h('div', { class: 'tester-body', id: 'tester-body' },
    label('Chains', chains), label('Strategy', strategies.element), label('Requests per second', rates.element, limit),
    h('div', { class: 'tester-last' }, h('h3', null, 'Last calls'), none, calls));
  const element = h('section', { class: 'tester', 'aria-label': 'Request tester' },
    h('header', null, h('h2', null, 'Request Tester'), state, toggle),
    h('div', { class: 'tester-counts' }, Object.values(counters)),
    h('div', { class: 'tester-actions' }, go, quick, stop), body);
  root.append(element);

  function draw() {
    const running = Boolean(run?.running);
    attr(element, 'data-running', running);
    data(element, 'sent', run?.sent ?? 0);
    data(element, 'heads', run?.heads ?? 0);
    data(element, 'open', wish.open);
    attr(toggle, 'aria-expanded', String(wish.open));
    attr(toggle, 'aria-label', wish.open ? 'Collapse the request tester' : 'Expand the request tester');
    show(body, wish.open);
    show(stop, running);
    show(quick, !running);
    show(go, !running);
    const ready = Boolean(store.state.profile) && store.state.chains.size > 0;
    attr(quick, 'disabled', !ready);
    attr(go, 'disabled', !ready || wish.chains?.size === 0);
    text(state, running ? (run.left === null ? 'Running' : `${run.left} s left`) : run ? (run.active ? 'Finishing' : 'Stopped') : '');
    count('success', integer(run?.success ?? 0));
    count('errors', integer(run?.errors ?? 0), run?.errors ? 'bad' : null);
    count('average', ms(run?.average ?? null));
    count('active', integer(run?.active ?? 0));
    count('open', integer(run?.open ?? 0));
    show(counters.active, wish.open || running);
    show(counters.open, wish.open || running);
    if (!wish.open) return;
    drawChoices();
    show(none, !run?.calls.length);
    list(calls, run?.calls ?? [], (call) => `${run.started} ${call.n}`, row);
  }

  function count(name, value, tone) {
    text(counters[name].firstChild, value);
    attr(counters[name].firstChild, 'data-tone', tone);
  }

  function drawChoices() {
    const { chains: known, limits } = store.state;
    const most = limits?.rps ?? Infinity;
    rates.fill(RATES.map((rate) => ({
      value: rate, label: String(rate), disabled: rate > most, title: rate > most ? `The profile allows ${integer(most)} requests per second` : undefined,
    })));
    if (wish.rate > most) wish.rate = RATES.filter((rate) => rate <= most).at(-1) ?? RATES[0];
    rates.set(wish.rate);
    text(limit, Number.isFinite(most) ? `This profile allows ${integer(most)} a second.` : '');
    const all = [{ key: null, name: 'All' }, ...known.values()];
    list(chains, all, (chain) => chain.key ?? ' all', ({ key, name }) => {
      const box = h('input', { type: 'checkbox', name: 'tester-chain', value: key ?? '', on: { change: () => choose(key, box.checked) } });
      return h('label', { class: 'check' }, box, h('span', null, name ?? key));
    }, (line, { key }) => {
      const box = line.firstChild;
      const checked = key === null ? wish.chains === null : wish.chains === null || wish.chains.has(key);
      if (box.checked !== checked) box.checked = checked;
    });
  }

  function choose(key, checked) {
    const every = [...store.state.chains.keys()];
    const chosen = new Set(wish.chains ?? every);
    if (key === null) wish.chains = checked ? null : new Set();
    else {
      chosen[checked ? 'add' : 'delete'](key);
      wish.chains = every.every((one) => chosen.has(one)) ? null : chosen;
    }
    draw();
  }

  function row({ n, at, chain, method, ok, ms: took, said, request }) {
    const what = h('span', { class: 'mono' }, method);
    const open = (event) => {
      event.preventDefault();
      router.go({ tab: 'decisions', request });
    };
    const link = request ? h('a', { href: router.href({ tab: 'decisions', request }), title: 'Why did it go there?', on: { click: open } }, what) : what;
    return h('li', { data: { call: n, ok: String(ok) } }, h('time', null, clock(at)), h('span', null, link, ' ', h('small', { class: 'quiet' }, chain)),
      h('span', { class: 'number' }, ms(took)), h('b', { data: { tone: ok ? 'good' : 'bad' } }, ok ? 'OK' : 'Error'), said && h('small', { class: 'said' }, said));
  }

  watching = draw;
  // Another profile has other chains; what was chosen of the old one means nothing there.
  let profile = store.state.profile;
  const off = store.on(['profile', 'chains'], () => {
    if (profile !== store.state.profile) wish.chains = null;
    profile = store.state.profile;
    draw();
  });
  draw();
  return {
    unmount() {
      off();
      watching = null;
      element.remove();
    },
  };
}
