// A chain that forks: nodes leave it, follow it onto another branch and come back, and the ledger knows which
// answers clients may see meanwhile.

import assert from 'node:assert/strict';

import { BLOCK_SECONDS, GENESIS_TIME, HEIGHT } from './chain.mjs';
import { hex } from './load.mjs';

/**
 * A branch is the list of its blocks (as `eth_getBlockByNumber` shows them) from the block at `HEIGHT` on, which
 * all branches share. What is below never changes, and what is above holds no transactions: only heads, heights
 * and the blocks themselves differ between branches.
 */
export const head = (branch) => HEIGHT + branch.length - 1;
export const blockAt = (branch, number) => branch[number - HEIGHT] ?? null;

const EMPTY_BLOCK_FEE = 1_000_000_000;

/** How many blocks two branches share. */
function shared(left, right) {
  let count = 1;
  while (count < Math.min(left.length, right.length) && left[count].hash === right[count].hash) count++;
  return count;
}

/** Takes a node from one branch to another, whose blocks some node has made before. */
async function follow(node, from, branch) {
  const common = shared(from, branch);
  if (from.length > common) await node.call('anvil_rollback', [from.length - common]);
  for (const { timestamp, baseFeePerGas } of branch.slice(common)) await mine(node, Number(timestamp), baseFeePerGas);
}

/** With time and fee given, the block is the same on every node. (A rollback does not take the fee back.) */
async function mine(node, timestamp, baseFeePerGas) {
  await node.call('anvil_setNextBlockBaseFeePerGas', [baseFeePerGas]);
  await node.call('evm_mine', [{ timestamp }]);
}

const newest = (node) => node.call('eth_getBlockByNumber', ['latest', false]);

/** Makes branches, on a node that no client can reach: so each block is known before anybody can see it. */
export class Author {
  constructor(node, base) {
    this.#node = node;
    this.#branch = [base];
  }

  /** The branch made last. */
  get branch() {
    return this.#branch;
  }

  static async start(node) {
    return new Author(node, await newest(node));
  }

  #node;
  #branch;
  #made = 0;

  /** A new branch that keeps all but the last `dropped` blocks of `branch` and adds `added` new ones. */
  async fork(branch, dropped, added) {
    const kept = branch.slice(0, branch.length - dropped);
    await follow(this.#node, this.#branch, kept);
    this.#branch = kept;
    // A fee of its own tells this branch from every other one.
    const fee = hex(EMPTY_BLOCK_FEE + this.#made++);
    for (let i = 0; i < added; i++) {
      const number = head(this.#branch) + 1;
      await mine(this.#node, GENESIS_TIME + number * BLOCK_SECONDS, fee);
      this.#branch = [...this.#branch, await newest(this.#node)];
    }
    return this.#branch;
  }
}

/** Which branches the nodes hold and held, and so what is right to answer. */
export class Ledger {
  /** One entry for each time a node held one branch, or was on its way through several. */
  #entries = [];
  /** A height that every healthy node has. */
  everywhere = HEIGHT;

  /** From now on `node` may answer by any of `branches`, and by no other. */
  holds(node, branches) {
    this.#close(node);
    this.#entries.push({ node, branches, from: performance.now(), until: Infinity });
  }

  /** The node answers no more. */
  leaves(node) {
    this.#close(node);
  }

  #close(node) {
    const now = performance.now();
    for (const entry of this.#entries) if (entry.node === node && entry.until === Infinity) entry.until = now;
  }

  /** Whether some node held, between the two times, a branch for which `fits` is true. */
  some(begin, end, fits) {
    return this.#entries.some(({ from, until, branches }) => from <= end && until >= begin && branches.some(fits));
  }
}

/** A node together with the branch it holds. */
export class Copy {
  constructor(node, id, branch, ledger) {
    this.node = node;
    this.id = id;
    this.branch = branch;
    this.#ledger = ledger;
    ledger.holds(this, [branch]);
  }

  #ledger;

  /** Reorganises to `branch`. Clients can see every step on the way: heights fall first, then rise. */
  async adopt(branch) {
    const from = this.branch;
    const common = shared(from, branch);
    const steps = branch.slice(common - 1).map((_, i) => branch.slice(0, common + i));
    this.#ledger.holds(this, [from, ...steps]);
    await follow(this.node, from, branch);
    const { hash } = await newest(this.node);
    assert.equal(hash, branch.at(-1).hash, `${this.id} did not arrive at the branch`);
    this.branch = branch;
    this.#ledger.holds(this, [branch]);
  }

  async kill() {
    await this.node.kill();
    this.#ledger.leaves(this);
  }

  /** Starts again from a state that ends at `HEIGHT`: what came later has to be fetched, as from peers. */
  async restart(state) {
    this.branch = this.branch.slice(0, 1);
    this.#ledger.holds(this, [this.branch]);
    await this.node.restart(state);
  }
}
