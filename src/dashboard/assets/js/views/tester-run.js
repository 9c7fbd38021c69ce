// The request tester's engine: real calls and real sockets of this browser, counted as a client sees them.

/** As many calls are kept for the list. */
const KEPT_CALLS = 50;
const LEAST_INTERVAL_MS = 50;
const STATISTICS_MS = 500;
const CALL_LIMIT_MS = 30_000;

export const METHODS = {
  eth_blockNumber: [],
  eth_getBalance: ['0x0000000000000000000000000000000000000000', 'latest'],
};

/** As the specification of a quick run says: half a minute, few calls, two sockets. */
export const QUICK = { strategy: 'load-balanced', rate: 5, concurrency: 4, seconds: 30, sockets: 2 };

/** A run of one's own: until it is stopped. */
export const custom = ({ strategy, rate }) => ({ strategy, rate, concurrency: Math.max(8, rate), seconds: null, sockets: 2 });

/**
 * One run. `chains` are `{ key, has_ws }`. `changed()` is called every half second and at the beginning and end.
 * `sent` is `success + errors + active` at any moment.
 */
export class TestRun {
  running = false;
  sent = 0;
  success = 0;
  errors = 0;
  active = 0;
  /** Calls that were due while as many as allowed were under way. */
  held = 0;
  heads = 0;
  calls = [];
  #total = 0;
  #sockets = new Set();
  #timers = [];

  constructor({ profile, chains, strategy, rate, concurrency, seconds, sockets }, changed) {
    Object.assign(this, { profile, chains, strategy, rate, concurrency, seconds, sockets, changed });
  }

  /** Mean of the answered calls, in milliseconds. */
  get average() {
    const answered = this.success + this.errors;
    return answered ? this.#total / answered : null;
  }

  get open() {
    return [...this.#sockets].filter((socket) => socket.readyState === WebSocket.OPEN).length;
  }

  /** Seconds until a quick run ends by itself. */
  get left() {
    return this.running && this.seconds ? Math.max(0, Math.ceil(this.seconds - (performance.now() - this.started) / 1000)) : null;
  }

  start() {
    this.running = true;
    this.started = performance.now();
    const interval = Math.max(LEAST_INTERVAL_MS, 1000 / this.rate);
    let due = 0;
    let last = this.started;
    const tick = () => {
      const now = performance.now();
      // Timers of a hidden tab come once a second; what was missed is not sent all at once.
      due = Math.min(due + ((now - last) * this.rate) / 1000, this.concurrency);
      last = now;
      for (; due >= 1; due -= 1) {
        if (this.active < this.concurrency) this.#call();
        else this.held += 1;
      }
    };
    this.#call();
    this.#timers = [setInterval(tick, interval), setInterval(this.changed, STATISTICS_MS)];
    if (this.seconds) this.#timers.push(setTimeout(() => this.stop(), this.seconds * 1000));
    const streaming = this.chains.filter((chain) => chain.has_ws);
    for (let i = 0; i < this.sockets && streaming.length; i += 1) this.#subscribe(streaming[i % streaming.length].key);
    this.changed();
  }

  /** Nothing more is sent; what is under way is waited for, so that the counts add up. */
  stop() {
    if (!this.running) return;
    this.running = false;
    this.#timers.forEach((timer) => clearInterval(timer));
    for (const socket of this.#sockets) socket.close(1000);
    this.#sockets.clear();
    this.changed();
  }

  #path(chain) {
    return `rpc/profile/${encodeURIComponent(this.profile)}/${this.strategy}/${encodeURIComponent(chain)}`;
  }

  async #call() {
    const chain = this.chains[this.sent % this.chains.length].key;
    const names = Object.keys(METHODS);
    const method = names[Math.floor(this.sent / this.chains.length) % names.length];
    const call = { n: this.sent += 1, at: Date.now(), chain, method, ok: false, ms: null, said: '', request: null };
    this.active += 1;
    const began = performance.now();
    try {
      const response = await fetch(`/${this.#path(chain)}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: call.n, method, params: METHODS[method] }),
        signal: AbortSignal.timeout(CALL_LIMIT_MS),
      });
      call.request = response.headers.get('x-lasso-request-id') ?? response.headers.get('x-request-id');
      const reply = await response.json();
      // An error inside a reply of status 200 is an error to whoever called.
      call.ok = response.ok && reply.error === undefined && reply.result !== undefined;
      call.said = reply.error ? `${reply.error.code} ${reply.error.message}` : response.ok ? '' : `HTTP ${response.status}`;
    } catch (error) {
      call.said = error.name === 'TimeoutError' ? 'no answer' : error.message;
    }
    call.ms = performance.now() - began;
    this.active -= 1;
    this.#total += call.ms;
    if (call.ok) this.success += 1;
    else this.errors += 1;
    this.calls = [call, ...this.calls].slice(0, KEPT_CALLS);
    if (!this.running && this.active === 0) this.changed();
  }

  #subscribe(chain) {
    const socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws/${this.#path(chain)}`);
    this.#sockets.add(socket);
    socket.addEventListener('open', () => socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_subscribe', params: ['newHeads'] })));
    socket.addEventListener('message', ({ data }) => {
      if (JSON.parse(data).method === 'eth_subscription') this.heads += 1;
    });
    socket.addEventListener('close', () => this.#sockets.delete(socket));
  }
}
