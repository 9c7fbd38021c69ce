// What is known, and who wants to hear of changes. Filled by live.js, read by the views. Chains, providers and streams
// are as the router sends them, and `at` says when that was by the router's clock: waits in them count from there.

/** As many events as are kept for the views. */
export const RING = 500;

const empty = () => ({
  profile: null, profiles: [], node: null, limits: null, default_strategy: null,
  chains: new Map(), providers: new Map(), streams: new Map(),
  stats: null, cluster: null, system: null, events: [],
  connection: 'connecting', selection: { chain: null, provider: null },
  now: Date.now(), clock_ahead: 0, sampled_out: 0, dropped: 0,
});

const COLLECTIONS = ['chains', 'providers', 'streams'];
const VALUES = ['stats', 'cluster', 'system', 'profiles'];

class Store {
  state = empty();
  #listeners = new Set();
  #keys = new Set();
  #items = fresh();
  #frame = null;

  /**
   * Calls `fn(keys, items)` at most once a frame after something under one of `keys` changed: "profile", "profiles",
   * "chains", "providers", "streams", "stats", "cluster", "system", "events", "connection", "selection".
   * `keys` is the set of all that changed; `items.chains`, `.providers` and `.streams` are the sets of the changed
   * names. Returns what ends it.
   */
  on(keys, fn) {
    const listener = { keys, fn };
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Selects a chain, a provider of it, or nothing. Both are names: `{ chain: 'ethereum', provider: 'alchemy' }`. */
  select({ chain = null, provider = null } = {}) {
    const now = this.state.selection;
    if (now.chain === chain && now.provider === provider) return;
    this.state.selection = { chain, provider };
    this.#changed('selection');
  }

  /** The provider with that name on that chain. */
  provider(chain, id) {
    return this.state.providers.get(`${chain}/${id}`);
  }

  /** The providers of a chain, in the order in which they came. */
  providersOf(chain) {
    return [...this.state.providers.values()].filter((provider) => provider.chain === chain);
  }

  /** The time at the router, for ages and waits. */
  now() {
    return Date.now() + this.state.clock_ahead;
  }

  /** Takes the whole state of a profile. */
  replace(snapshot) {
    const before = this.state;
    const state = Object.assign(empty(), snapshot, {
      selection: before.selection, connection: before.connection,
      events: (snapshot.events ?? []).slice(-RING), clock_ahead: snapshot.now - Date.now(),
    });
    for (const name of COLLECTIONS) {
      state[name] = new Map((snapshot[name] ?? []).map((item) => [item.key, { ...item, at: snapshot.now }]));
      for (const key of [...before[name].keys(), ...state[name].keys()]) this.#items[name].add(key);
    }
    this.state = state;
    this.#changed('profile', 'events', ...COLLECTIONS, ...VALUES);
  }

  /** Takes what changed since. */
  merge(batch) {
    const { state } = this;
    for (const name of COLLECTIONS) {
      const [changed, gone] = [batch[name] ?? [], batch.gone?.[name] ?? []];
      for (const item of changed) state[name].set(item.key, { ...item, at: batch.now });
      for (const key of gone) state[name].delete(key);
      for (const key of [...changed.map((item) => item.key), ...gone]) this.#items[name].add(key);
      if (changed.length || gone.length) this.#changed(name);
    }
    for (const name of VALUES) {
      if (batch[name] === undefined) continue;
      state[name] = batch[name];
      this.#changed(name);
    }
    if (batch.events?.length) {
      state.events = [...state.events, ...batch.events].slice(-RING);
      this.#changed('events');
    }
    state.sampled_out += batch.sampled_out ?? 0;
    state.dropped += batch.dropped ?? 0;
    this.heard(batch.now);
  }

  /** The router's clock shows `now`. */
  heard(now) {
    if (typeof now === 'number') Object.assign(this.state, { now, clock_ahead: now - Date.now() });
  }

  connection(state) {
    if (this.state.connection === state) return;
    this.state.connection = state;
    this.#changed('connection');
  }

  /** Forgets the profile that was shown. */
  clear() {
    const { selection } = this.state;
    this.state = { ...empty(), profiles: this.state.profiles, selection };
    this.#changed('profile', 'events', 'connection', ...COLLECTIONS, ...VALUES);
  }

  #changed(...keys) {
    for (const key of keys) this.#keys.add(key);
    // Frames stop in a hidden tab; what changed meanwhile is told in one go when it is seen again.
    this.#frame ??= requestAnimationFrame(() => this.#tell());
  }

  #tell() {
    const [keys, items] = [this.#keys, this.#items];
    [this.#keys, this.#items, this.#frame] = [new Set(), fresh(), null];
    for (const { keys: wanted, fn } of [...this.#listeners]) {
      if (wanted.some((key) => keys.has(key))) fn(keys, items);
    }
  }
}

const fresh = () => ({ chains: new Set(), providers: new Set(), streams: new Set() });

export const store = new Store();
