// Nodes of one chain that grows by itself while they fail and come back, and a router that knows them by WebSocket.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';

import { BLOCK_SECONDS, GENESIS_TIME, HEIGHT, PING, SENDER } from './chain.mjs';
import { Lasso, profile } from './lasso.mjs';
import { hex } from './load.mjs';
import { Network } from './nodes.mjs';
import { until } from './wait.mjs';

/** What takes seconds and minutes otherwise takes a fraction of that here. */
const SETTINGS = `
circuit_breaker: { recovery_timeout_ms: 200, max_recovery_timeout_ms: 400 }
probe: { tick_ms: 50, timeout_ms: 500 }
block_sync: { poll_timeout_ms: 500 }
upstream_websocket: { connect_jitter_ms: 0, handshake_timeout_ms: 500, reconnect_interval_ms: 50, ping_interval_ms: 200, pong_timeout_ms: 300 }
subscriptions: { establish_attempt_ms: 1000 }
log: { level: info, format: json, sampling_rate: 0.0 }
`;

const NAMES = ['alpha', 'beta', 'gamma', 'delta'];

/** A router over nodes by HTTP and WebSocket. */
export function streaming(nodes) {
  const providers = nodes.map((node, i) => ({
    id: NAMES[i],
    url: node.url,
    more: [`ws_url: "${node.url.replace('http', 'ws')}"`, `priority: ${i + 1}`],
  }));
  const more = ['websocket: { new_heads_timeout_ms: 1500, failover: { max_backfill_blocks: 1000 } }', 'selection: { max_lag_blocks: 1 }'];
  return Lasso.start({ profileText: profile(providers, { more }), settings: SETTINGS });
}

export const wsUrl = (lasso) => lasso.url.replace('http', 'ws').replace('/rpc/', '/ws/rpc/');

/**
 * Each block holds one transaction that logs one `Ping`. Two nodes are up at least while the serving one fails: which
 * that is needs no question, because the others fail before or are behind.
 */
export class Fleet {
  /** `forgetful` nodes come back from a kill as they were at the start, and are far behind until they catch up. */
  static async start(size, { forgetful = false, period = 80 } = {}) {
    const fleet = new Fleet();
    fleet.#forgetful = forgetful;
    fleet.#network = await Network.start(size);
    fleet.nodes = fleet.#network.nodes;
    fleet.#base = await fleet.#network.saveState();
    fleet.#period = period;
    fleet.#up = new Set(fleet.nodes);
    fleet.#nonce = Number(await fleet.nodes[0].call('eth_getTransactionCount', [SENDER, 'latest']));
    return fleet;
  }

  /** The blocks made so far, from `HEIGHT + 1` on: the block without its transactions' details, and its logs. */
  blocks = [];

  #network;
  #base;
  #forgetful;
  #period;
  /** The nodes that run and have every block. */
  #up;
  /** What is wrong with each of the others. */
  #down = new Map();
  #nonce;
  #running;
  /** The end of what is being done to the nodes: one thing after the other. */
  #turn = Promise.resolve();

  get height() {
    return HEIGHT + this.blocks.length;
  }

  /** The blocks from one number on. */
  from(number) {
    return this.blocks.slice(number - HEIGHT - 1);
  }

  /** Begins to make blocks. */
  grow() {
    assert.equal(this.#running, undefined);
    let stopped = false;
    const loop = (async () => {
      while (!stopped) {
        await Promise.all([this.#exclusively(() => this.#mine()), pause(this.#period)]);
      }
    })();
    this.#running = async () => {
      stopped = true;
      await loop;
    };
  }

  /** Makes no more blocks. */
  async rest() {
    await this.#running?.();
    this.#running = undefined;
  }

  /** The next of the three ways in which the node that serves everything fails, another one being ready. */
  async handOver(kind, random) {
    const ready = [...this.#up];
    // All but one are taken out first, so that the one that is left serves all streams.
    const serving = random.pick(ready);
    for (const node of ready) if (node !== serving) await this.fail(node, random.coin() ? 'kill' : 'stop');
    await this.grown(1);
    const next = random.pick([...this.#down.keys()]);
    await this.mend(next);
    await this.fail(serving, kind);
    await this.grown(1);
    for (const node of [...this.#down.keys()]) if (node !== serving && random.coin()) await this.mend(node);
  }

  /** `kill`: the process is gone. `stop`: it hangs, and TCP does not tell. */
  fail(node, kind) {
    return this.#exclusively(async () => {
      this.#up.delete(node);
      this.#down.set(node, kind);
      if (kind === 'kill') await node.kill();
      else node.pause();
    });
  }

  /** The node comes back and catches up, block by block. */
  async mend(node) {
    const kind = this.#down.get(node);
    await this.#exclusively(async () => {
      if (kind === 'stop') node.resume();
      else await node.restart(this.#forgetful ? this.#base : await this.#saved());
      const height = Number(await node.call('eth_blockNumber'));
      for (const block of this.from(height + 1)) await this.#make(node, block);
      this.#down.delete(node);
      this.#up.add(node);
    });
  }

  /** Waits until there are so many more blocks. */
  grown(blocks) {
    const height = this.height + blocks;
    return until(`block ${height} is there`, () => this.height >= height, { every: 10 });
  }

  async stop() {
    await this.rest();
    await this.#network.stop();
  }

  /** The chain as it is now. */
  #saved() {
    const [node] = this.#up;
    return this.#network.saveState(node);
  }

  async #exclusively(work) {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  async #mine() {
    const [first, ...others] = this.#up;
    assert.ok(first, 'all nodes are down');
    const number = this.height + 1;
    const block = { number, nonce: this.#nonce++ };
    await this.#make(first, block);
    const { hash, parentHash, baseFeePerGas } = await first.call('eth_getBlockByNumber', [hex(number), false]);
    const logs = await first.call('eth_getLogs', [{ blockHash: hash }]);
    assert.equal(logs.length, 1);
    Object.assign(block, { hash, parentHash, baseFeePerGas, logs });
    // Known before the others can tell of it; the first has told already, which is why nobody compares before the end.
    this.blocks.push(block);
    await Promise.all(others.map((node) => this.#make(node, block)));
  }

  /** Makes a block on one node: as it is on the others, if it is there. */
  async #make(node, { number, nonce, hash, baseFeePerGas }) {
    if (baseFeePerGas) await node.call('anvil_setNextBlockBaseFeePerGas', [baseFeePerGas]);
    await node.call('eth_sendTransaction', [
      { from: SENDER, to: PING, data: '0x5c36b186', nonce: hex(nonce), gas: hex(100_000), gasPrice: hex(2_000_000_000) },
    ]);
    await node.call('evm_mine', [{ timestamp: GENESIS_TIME + number * BLOCK_SECONDS }]);
    if (!hash) return;
    const made = await node.call('eth_getBlockByNumber', [hex(number), false]);
    assert.equal(made.hash, hash, `block ${number} differs between the nodes`);
  }
}
