// What the eight states of a provider are called and mean. Their colours are in tokens.css: `--status-NAME`.

export const STATUSES = {
  circuit_open: { rank: 1, label: 'Circuit Open', means: 'The breaker is open: calls go elsewhere until a probe succeeds.' },
  rate_limited: { rank: 2, label: 'Rate Limited', means: 'The provider asked for fewer calls; it is used last until the wait is over.' },
  degraded: { rank: 3, label: 'Degraded', means: 'Answers, but fails too often, is disconnected or is set up wrongly.' },
  testing_recovery: { rank: 4, label: 'Recovering', means: 'The breaker is half open: a few calls try whether the provider is back.' },
  recovering: { rank: 5, label: 'Recovering', means: 'The WebSocket is being connected again.' },
  lagging: { rank: 6, label: 'Lagging', means: 'Answers well, but its newest block is behind the other providers.' },
  healthy: { rank: 7, label: 'Healthy', means: 'Answers and keeps up with the chain.' },
  unknown: { rank: 8, label: 'Unknown', means: 'Not heard of yet.' },
};

export const statusOf = (name) => STATUSES[name] ?? STATUSES.unknown;

/** Of two states the one that a person should see. */
export const worse = (one, other) => (statusOf(one).rank <= statusOf(other).rank ? one : other);

export const CHAIN_STATUSES = { healthy: 'Healthy', degraded: 'Degraded', down: 'Down' };
