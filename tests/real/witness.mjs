// What a router's log tells about failing over.

/** Follows the log of a router as it grows. */
export class Witness {
  constructor(lasso) {
    this.#lasso = lasso;
  }

  #lasso;
  #read = 0;
  #events = [];

  /** Every event so far: `{ name, provider, instance, at }`, `at` as of `Date.now()`. */
  get events() {
    const end = this.#lasso.log.lastIndexOf('\n') + 1;
    if (end > this.#read) {
      const fresh = this.#lasso.log.slice(this.#read, end).trimEnd().split('\n');
      this.#read = end;
      for (const line of fresh) {
        const { event, provider_id, instance_id, ts_ms } = JSON.parse(line);
        this.#events.push({ name: event, provider: provider_id, instance: instance_id, at: ts_ms });
      }
    }
    return this.#events;
  }

  /** The first event of that name about the provider, from the event numbered `from` on. */
  first(name, provider, from) {
    return this.events.slice(from).find((event) => event.name === name && event.provider === provider);
  }

  count(name) {
    return this.events.filter((event) => event.name === name).length;
  }

  /** Whether the provider gets its full share. The log tells of every way to closed, not of every way from it. */
  isClosed(provider) {
    const last = this.events.findLast((event) => event.provider === provider && event.name in BREAKER);
    return last === undefined || last.name === BREAKER_CLOSED;
  }
}

const BREAKER_CLOSED = 'lasso.circuit_breaker.close';
const BREAKER = { 'lasso.circuit_breaker.open': 1, 'lasso.circuit_breaker.half_open': 1, [BREAKER_CLOSED]: 1 };
