// A steady load from outside: requests leave on schedule whether or not earlier ones have been answered,
// and every answer is compared with what a node says when it is asked directly.

import http from 'node:http';
import { isDeepStrictEqual } from 'node:util';

import { DEPLOYER, PING, PINGS, RECEIVER, REFUSE } from './chain.mjs';
import { meta, post } from './rpc.mjs';

const item = (id, method, params) => ({ jsonrpc: '2.0', id, method, params });
const hex = (number) => `0x${number.toString(16)}`;
const PEEK = { to: PING, data: '0x59e02dd7' };

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

/** Each body with the reply that `node` gives to it. The chain must not grow while they are in use. */
export function knownAnswers(node) {
  return Promise.all(BODIES.map(async (body) => ({ body: JSON.stringify(body), reply: (await post(node.url, body)).json })));
}

function percentile(sorted, share) {
  return sorted.length === 0 ? 0 : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/** A running load of `rate` requests a second against `url`. */
export class Load {
  constructor(url, answers, { rate }) {
    this.sent = 0;
    this.answered = 0;
    this.errors = [];
    this.wrong = [];
    /** How many replies each provider gave. */
    this.served = new Map();
    this.latencies = [];
    this.#url = new URL(url);
    this.#answers = answers;
    this.#rate = rate;
    this.#begin = performance.now();
    this.#timer = setInterval(() => this.#sendDue(), 2);
  }

  #url;
  #answers;
  #rate;
  #begin;
  #timer;
  #agent = new http.Agent({ keepAlive: true });

  get seconds() {
    return (performance.now() - this.#begin) / 1000;
  }

  #sendDue() {
    for (const due = this.seconds * this.#rate; this.sent < due; ) {
      this.#send(this.#answers[this.sent++ % this.#answers.length]);
    }
  }

  #send({ body, reply }) {
    const begin = performance.now();
    const request = http.request(this.#url, {
      method: 'POST',
      agent: this.#agent,
      headers: { 'content-type': 'application/json', 'content-length': body.length, 'x-lasso-include-meta': 'headers' },
    });
    request.on('response', (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', (error) => this.#fail(body, error.message));
      response.on('end', () => {
        this.latencies.push(performance.now() - begin);
        this.#judge(body, reply, response, Buffer.concat(chunks).toString('utf8'));
      });
    });
    request.on('error', (error) => this.#fail(body, error.message));
    request.end(body);
  }

  #fail(body, why) {
    this.answered++;
    this.errors.push(`after ${this.seconds.toFixed(2)} s: ${body}: ${why}`);
  }

  #judge(body, expected, response, text) {
    if (response.statusCode !== 200) return this.#fail(body, `HTTP ${response.statusCode} ${text}`);
    this.answered++;
    const provider = meta(response.headers)?.selected_provider?.id;
    if (provider) this.served.set(provider, this.servedBy(provider) + 1);
    let reply;
    try {
      reply = JSON.parse(text);
    } catch {
      return this.wrong.push(`after ${this.seconds.toFixed(2)} s: ${body}: ${text}`);
    }
    if (!isDeepStrictEqual(reply, expected)) {
      this.wrong.push(`after ${this.seconds.toFixed(2)} s: ${body}: ${text}`);
    }
  }

  servedBy(provider) {
    return this.served.get(provider) ?? 0;
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
    return (
      `${this.sent} requests in ${seconds.toFixed(1)} s, ${this.answered} answered, ${this.errors.length} errors, ` +
      `${this.wrong.length} wrong; ms p50 ${ms(0.5)} p99 ${ms(0.99)} p99.9 ${ms(0.999)} max ${ms(1)}; ` +
      `served ${JSON.stringify(Object.fromEntries(this.served))}`
    );
  }
}
