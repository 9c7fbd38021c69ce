// Nothing selected: the profile, the last minute, and what happens now.

import { h } from '../dom.js';
import { compact, integer, ms, percent } from '../format.js';
import { activity } from './activity.js';
import { figures } from './parts.js';

export function summaryView(ctx) {
  const { store } = ctx;
  const strip = figures({ rps: 'RPS', success: 'Success', latency: 'Latency', failovers: 'Failovers/min' });
  strip.row.classList.add('strip');
  strip.row.title = 'Calls of clients in the last 60 seconds';
  const feed = activity(ctx);
  return {
    name: 'summary',
    body: [strip.row, h('div', { class: 'part part-grow' }, feed.head, feed.box)],
    exists: () => true,
    heading() {
      const { profile, profiles, chains, providers } = store.state;
      return {
        name: profiles.find(({ slug }) => slug === profile)?.name ?? profile ?? 'Lasso',
        details: `${count(providers.size, 'provider')} · ${count(chains.size, 'chain')}`,
      };
    },
    update() {
      const { rps, success_rate: rate, sampled, latency_ms: latency, failovers_per_minute: failovers } = store.state.stats ?? {};
      strip.set({ rps: compact(rps), success: percent(rate), latency: ms(latency), failovers: compact(failovers) },
        { success: sampled ? `Success (of ${integer(sampled)})` : 'Success' });
      feed.update();
    },
    close: feed.close,
  };
}

const count = (number, word) => `${number} ${word}${number === 1 ? '' : 's'}`;
