// A steady load from outside: requests leave on schedule whether or not earlier ones have been answered,
// and every answer is compared with what is known to be right.

import http from 'node:http';
import { isDeepStrictEqual } from 'node:util';

import { DEPLOYER, PING, PINGS, RECEIVER, REFUSE } from './chain.mjs';
import { meta, post } from './rpc.mjs';

export const item = (id, method, params) => ({ jsonrpc: '2.0', id, method, params });
export const hex = (number) => `0x${number.toString(16)}`;
export const PEEK = { to: PING, data: '0x59e02dd7' };

/** Reads of every weight, among them small batches and a call that must revert. */
const BODIES = [
  item(1, 'eth_blockNumber', []),
  item('two', 'eth_getBalance', [DEPLOYER, 'latest']),
  item(3, 'eth_call', [PEEK, 'latest']),
  item(4, 'eth_getLogs', [{ address: PING, fromBlock: hex(PINGS.from), toBlock: hex(PINGS.to) }]),
  [item(5, 'eth_blockNumber', []), item(6, 'eth_getBalance', [RECEIVER, 'latest']), item(7, 'eth_call', [PEEK, 'latest'])],
  item(8, 'eth_call', [{ to: REFUSE, data: '0x' }, 'latest']),
  item(9, 'eth_getBlockByNumber', [hex(PINGS.from), true]),
  [item(10, 'eth_getLogs', [{ fromBlock: '0x0', toBlock: 'latest' }]), item(10, 'eth_getCode', [PING, 'latest'])],
];

/** An exchange whose only right reply is the one that `node` gives to it now. */
export async function known(node, body) {
  const { json: reply } = await post(node.url, body);
  return { body: JSON.stringify(body), allows: (found) => isDeepStrictEqual(found, reply) };
}

/** Each body with the reply that `node` gives to it. The chain must not grow while they are in use. */
export function knownAnswers(node) {
  return Promise.all(BODIES.map((body) => known(node, body)));
}

function percentile(sorted, share) {
  return sorted.length === 0 ? 0 : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/**
 * A running load of `rate` requests a second against the router at `base`.
 *
 * `exchanges` are sent in turn; where it is a function, it is called with the number of each request. An exchange
 * is `{ path, body, allows }`: the path of the router (`/rpc/dev` where there is none), the text to send, and
 * `allows(reply, begin, end)`, which tells whether the parsed reply is right for a request that was under way
 * between those two times (of `performance.now`). `heard({ number, path, provider })` is called with each reply of
 * a provider.
 */
export class Load {
  constructor(base, exchanges, { rate, heard }) {
    this.sent = 0;
    this.answered = 0;
    this.errors = [];
    this.wrong = [];
    this.latencies = [];
    this.#base = base;
    this.#next = typeof exchanges === 'function' ? exchanges : (number) => exchanges[number % exchanges.length];
    this.#rate = rate;
    this.#heard = heard;
    this.#begin = performance.now();
    this.#timer = setInterval(() => this.#sendDue(), 2);
  }

  #base;
  #next;
  #rate;
  #heard;
  #begin;
  #timer;
  #agent = new http.Agent({ keepAlive: true });
  /** When each request was sent that is not answered yet; the oldest comes first. */
  #underWay = new Map();
  /** How many replies each provider gave, and when the youngest of those requests was sent, by path. */
  #served = new Map();

  get seconds() {
    return (performance.now() - this.#begin) / 1000;
  }

  /** When the oldest request was sent that is not answered yet. */
  get oldestUnderWay() {
    const [oldest = Infinity] = this.#underWay.values();
    return oldest;
  }

  #sendDue() {
    for (const due = this.seconds * this.#rate; this.sent < due; ) {
      const number = this.sent++;
      this.#send(number, this.#next(number));
    }
  }

  #send(number, { path = '/rpc/dev', body, allows }) {
    const begin = performance.now();
    this.#underWay.set(number, begin);
    const request = http.request(`${this.#base}${path}`, {
      method: 'POST',
      agent: this.#agent,
      headers: { 'content-type': 'application/json', 'content-length': body.length, 'x-lasso-include-meta': 'headers' },
    });
    const told = (why) => `after ${this.seconds.toFixed(2)} s: ${path}: ${body}: ${why}`;
    // A connection that breaks can say so more than once.
    let settled = false;
    const settle = (list, why) => {
      if (settled) return;
      settled = true;
      this.answered++;
      this.#underWay.delete(number);
      list?.push(told(why));
    };
    request.on('response', (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', (error) => settle(this.errors, error.message));
      response.on('end', () => {
        const end = performance.now();
        const text = Buffer.concat(chunks).toString('utf8');
        this.latencies.push(end - begin);
        if (response.statusCode !== 200) return settle(this.errors, `HTTP ${response.statusCode} ${text}`);
        this.#note(meta(response.headers)?.selected_provider?.id, { number, path, begin });
        const verdict = judge(text, (reply) => allows(reply, begin, end));
        settle({ wrong: this.wrong, failed: this.errors }[verdict], text);
      });
    });
    request.on('error', (error) => settle(this.errors, error.message));
    request.end(body);
  }

  #note(provider, { number, path, begin }) {
    if (!provider) return;
    this.#heard?.({ number, path, provider });
    const served = this.#served.get(provider) ?? { count: 0, youngest: new Map() };
    served.count++;
    served.youngest.set(path, Math.max(begin, served.youngest.get(path) ?? 0));
    this.#served.set(provider, served);
  }

  /** How many replies the provider gave. */
  servedBy(provider) {
    return this.#served.get(provider)?.count ?? 0;
  }

  /** When the youngest request to `path` that the provider answered was sent. */
  youngestServedBy(provider, path) {
    return this.#served.get(provider)?.youngest.get(path) ?? 0;
  }

  /** Sends no more, waits for what is under way, and gives a one-line summary. */
  async stop() {
    clearInterval(this.#timer);
    const seconds = this.seconds;
    const deadline = performance.now() + 15_000;
    while (this.answered < this.sent && performance.now() < deadline) await new Promise((go) => setTimeout(go, 10));
    this.#agent.destroy();
    const sorted = this.latencies.toSorted((a, b) => a - b);
    const ms = (share) => percentile(sorted, share).toFixed(1);
    const served = Object.fromEntries([...this.#served].map(([provider, { count }]) => [provider, count]));
    return (
      `${this.sent} requests in ${seconds.toFixed(1)} s, ${this.answered} answered, ${this.errors.length} failed, ` +
      `${this.wrong.length} wrong; ms p50 ${ms(0.5)} p95 ${ms(0.95)} p99 ${ms(0.99)} p99.9 ${ms(0.999)} max ${ms(1)}; ` +
      `served ${JSON.stringify(served)}`
    );
  }
}

/** `right`, `wrong`, or `failed` for an error object that is not the answer. */
function judge(text, allows) {
  try {
    const reply = JSON.parse(text);
    if (allows(reply)) return 'right';
    return [reply].flat().some(({ error }) => error) ? 'failed' : 'wrong';
  } catch {
    return 'wrong';
  }
}
