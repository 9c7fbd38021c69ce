// Nodes that are killed, stopped and reorganised behind a router, by a schedule that a seed repeats.

import assert from 'node:assert/strict';
import { setTimeout as keepLoading } from 'node:timers/promises';

import { head } from './branches.mjs';
import { MAX_LAG, SHARED_PATHS } from './traffic.mjs';
import { until } from './wait.mjs';

/** Nodes are polled twice a second: after this time the router has asked a node for its height again. */
const POLLED_MS = 800;

const PATIENCE = { limit: 30_000 };

/** Further behind than this is too far, whatever the router thinks that a node has made since it was asked. */
const FAR_BEHIND = MAX_LAG + 1;

/** Kinds of steps, dealt like cards: all have come before one comes more often than is written here. */
const DECK = ['kill', 'kill', 'stop', 'stop', 'freeze', 'hiccup', 'stray', 'reorg', 'reorg', 'grow'];

/**
 * The schedule and the nodes.
 *
 * What is promised depends on a node being *healthy*. That is: it runs, it holds the current branch, the router's
 * breaker for it is closed, and since its last trouble it has answered requests of both profiles that were sent
 * after the router must have asked for its height again. Every request shall find a node that is healthy for as
 * long as it is under way. So each step first waits until all nodes without a fault are healthy, and until every
 * request that may have been planned without one of them is answered; then it disturbs one or two, and only while
 * another is left. The waiting also makes what is drawn independent of time, so that a seed draws the same steps again.
 *
 * Two limits beyond that come from how routing is defined. Every attempt but the last leaves a share of the time for
 * the next one: a request that meets two nodes that hang still reaches the third, but with a sixth of its time. So
 * two nodes hang at once in one kind of step only; otherwise a second one hangs when the breaker of the first is open
 * and what was sent before that is answered. And the current branch never ends more than `MAX_LAG` below the greatest
 * height of before: a dead node's last height counts until its breaker is open, and against that height the others
 * would be the ones behind.
 *
 * A request that fails everywhere chooses its nodes anew, once. The schedule does not count on it: it would help where
 * a node became healthy while the request was under way, and every request has one that was healthy all the time.
 */
export class Chaos {
  constructor({ random, copies, author, ledger, state, load, witness }) {
    Object.assign(this, { random, copies, author, ledger, state, load, witness });
    this.branch = copies[0].branch;
    this.#peak = head(this.branch);
    for (const copy of copies) {
      this.#trouble.set(copy, performance.now());
      this.#healthySince.set(copy, performance.now());
    }
  }

  /** What was done, for the report and for whoever has to find out why it went wrong. */
  journal = [];
  counts = {};
  /** Milliseconds from a fault until the breaker opened, and from a node's return until it served a client. */
  untilOpen = [];
  untilServing = [];

  #deck = [];
  #dealt = 0;
  /** The greatest height that any node has had. */
  #peak;
  /** What is wrong with each node with which something is. */
  #faults = new Map();
  /** When each node was last in trouble (of `performance.now`). */
  #trouble = new Map();
  #healthySince = new Map();
  /** When the router had last noticed that a node hangs. */
  #hungSince = 0;
  #instances = new Map();

  /** Whether every kind of step has come. */
  get isDealt() {
    return this.#dealt >= DECK.length && this.#faults.size === 0;
  }

  /** One step, and a while of load. */
  async step() {
    const sound = this.copies.filter((copy) => !this.#faults.has(copy));
    await until('all nodes without a fault are healthy', () => sound.every((copy) => this.#isHealthy(copy)), PATIENCE);
    const since = Math.max(...sound.map((copy) => this.#healthySince.get(copy)));
    await until('the requests of before are answered', () => this.load.oldestUnderWay > since, PATIENCE);
    if (this.#faults.size > 0 && (sound.length < 2 || this.random.coin())) {
      await this.#mend(this.random.pick([...this.#faults.keys()]));
    } else {
      await this.#disturb(this.random.pick(sound));
    }
    await keepLoading(this.random.between(200, 1200));
  }

  /** What happened and how long it took, in one line. */
  summary() {
    const total = (name) => this.witness.count(`lasso.${name}`);
    return (
      `${this.journal.length} steps ${JSON.stringify(this.counts)}; ` +
      `${total('failover.fast_fail') + total('failover.circuit_open')} failovers, ` +
      `${total('circuit_breaker.open')} breaker openings; ms from fault to open ${spread(this.untilOpen)}; ` +
      `ms from return to serving ${spread(this.untilServing)}`
    );
  }

  async #disturb(copy) {
    if (this.#deck.length === 0) this.#deck = this.random.shuffled(DECK);
    const kind = this.#deck.pop();
    this.#dealt++;
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
    this.#note(`${kind} ${copy.id}`);
    switch (kind) {
      case 'kill':
        return this.#fail(copy, kind, () => copy.kill());
      case 'stop':
        await this.#released();
        await this.#fail(copy, kind, () => copy.node.pause());
        this.#hungSince = performance.now();
        return;
      case 'freeze': {
        await this.#released();
        // One of the others, if that leaves a third.
        const others = this.copies.filter((other) => other !== copy && !this.#faults.has(other));
        const both = others.length > 1 ? [copy, this.random.pick(others)] : [copy];
        for (const other of both.slice(1)) this.#note(`freeze ${other.id}`);
        await Promise.all(both.map((one) => this.#fail(one, 'stop', () => one.node.pause())));
        this.#hungSince = performance.now();
        return;
      }
      case 'hiccup':
        await this.#released();
        return this.#hiccup(copy);
      case 'stray':
        return this.#stray(copy);
      case 'reorg':
        return this.#reorganise(this.random.between(1, 5), this.random.between(-MAX_LAG, 2));
      case 'grow':
        return this.#reorganise(0, this.random.between(1, 2));
    }
  }

  /** A fault that the router has to notice. */
  async #fail(copy, kind, begin) {
    const [from, at] = [this.witness.events.length, Date.now()];
    this.#faults.set(copy, kind);
    await begin();
    const news = (name) => until(`the log tells of ${name} for ${copy.id}`, () => this.witness.first(name, copy.id, from), PATIENCE);
    await news('lasso.failover.fast_fail');
    const opened = await news('lasso.circuit_breaker.open');
    this.untilOpen.push(opened.at - at);
    // Breakers go by instance: the same one for the same node, another one for another.
    for (const [id, instance] of this.#instances) {
      assert.equal(opened.instance === instance, id === copy.id, `${opened.instance} opened for ${copy.id}`);
    }
    this.#instances.set(copy.id, opened.instance);
  }

  /** Waits until a node that hangs holds no more requests. */
  async #released() {
    await until('what hangs is answered', () => this.load.oldestUnderWay > this.#hungSince, PATIENCE);
  }

  /** Over before anybody has to notice. */
  async #hiccup(copy) {
    copy.node.pause();
    await keepLoading(this.random.between(20, 400));
    copy.node.resume();
    await this.#recovered(copy);
  }

  /** The node follows a branch of its own, which may end a good way below the current one. */
  async #stray(copy) {
    this.#faults.set(copy, 'stray');
    const dropped = Math.min(this.random.between(1, 5), this.branch.length - 1);
    await copy.adopt(await this.author.fork(this.branch, dropped, this.random.between(0, dropped + MAX_LAG)));
    this.#rise(head(copy.branch));
    if (head(copy.branch) < head(this.branch) - FAR_BEHIND) await this.#passedBy(copy);
  }

  /** Waits until the profile with the lag filter has gone by the others alone for a while. */
  async #passedBy(copy) {
    const youngest = ({ id }) => this.load.youngestServedBy(id, SHARED_PATHS.tight);
    const others = this.copies.filter((other) => other !== copy);
    await until(`${copy.id} is passed by`, () => Math.max(...others.map(youngest)) > youngest(copy) + 500, PATIENCE);
  }

  /** All sound nodes go over to a new branch, one after the other. The others do when they come back. */
  async #reorganise(depth, growth) {
    const dropped = Math.min(depth, this.branch.length - 1);
    const height = Math.max(head(this.branch) + growth, this.#peak - MAX_LAG);
    const kept = head(this.branch) - dropped;
    this.branch = await this.author.fork(this.branch, dropped, Math.max(height - kept, 1));
    const sound = this.copies.filter((copy) => !this.#faults.has(copy));
    for (const copy of this.random.shuffled(sound)) {
      await copy.adopt(this.branch);
      await this.#recovered(copy);
    }
    this.#rise(head(this.branch));
  }

  #rise(height) {
    this.#peak = Math.max(this.#peak, height);
    this.ledger.everywhere = Math.max(this.ledger.everywhere, this.#peak - MAX_LAG);
  }

  async #mend(copy) {
    this.#note(`mend ${copy.id}`);
    const kind = this.#faults.get(copy);
    // Drawn whether it is needed or not.
    const behind = this.random.between(0, 1000);
    if (kind === 'stop') copy.node.resume();
    if (kind === 'kill') await copy.restart(this.state);
    const returned = performance.now();
    const catchUp = async () => {
      if (kind === 'kill') await keepLoading(behind);
      await copy.adopt(this.branch);
    };
    await Promise.all([catchUp(), kind !== 'stray' && this.#serves(copy, returned)]);
    this.#faults.delete(copy);
    await this.#recovered(copy);
  }

  /** Waits until the node has answered a request that was sent after it returned, and notes how long that took. */
  async #serves(copy, returned) {
    const paths = Object.values(SHARED_PATHS);
    await until(`${copy.id} serves`, () => paths.some((path) => this.load.youngestServedBy(copy.id, path) > returned), PATIENCE);
    this.untilServing.push(performance.now() - returned);
  }

  /** Waits until a node whose trouble is over is healthy. */
  async #recovered(copy) {
    this.#trouble.set(copy, performance.now());
    await until(`${copy.id} is healthy`, () => this.#isHealthy(copy), PATIENCE);
    this.#healthySince.set(copy, performance.now());
  }

  #isHealthy(copy) {
    const asked = this.#trouble.get(copy) + POLLED_MS;
    return (
      copy.branch === this.branch &&
      this.witness.isClosed(copy.id) &&
      Object.values(SHARED_PATHS).every((path) => this.load.youngestServedBy(copy.id, path) > asked)
    );
  }

  #note(what) {
    this.journal.push(`${this.load.seconds.toFixed(2)} s: ${what}`);
  }
}

function spread(values) {
  if (values.length === 0) return 'never';
  const sorted = values.toSorted((a, b) => a - b);
  const [least, middle, most] = [0, sorted.length >> 1, sorted.length - 1].map((i) => sorted[i].toFixed(0));
  return `${least} (least), ${middle} (median), ${most} (most)`;
}
