// Real nodes (anvil) that hold the same chain, block hash for block hash.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';

import { build, CHAIN_ID, GENESIS_TIME, HEIGHT, mineOne } from './chain.mjs';
import { Child } from './child.mjs';
import { call } from './rpc.mjs';
import { freePort, until } from './wait.mjs';

const require = createRequire(import.meta.url);

/** Path of a program that ships inside an npm package. */
export function program(name) {
  return path.join(path.dirname(require.resolve(`@foundry-rs/${name}-linux-amd64/package.json`)), 'bin', name);
}

/** One anvil process on a port of its own; the port stays the same over restarts. */
export class Node {
  constructor(port) {
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
  }

  static async start() {
    const node = new Node(await freePort());
    await node.#launch([]);
    return node;
  }

  async #launch(extra) {
    this.child = new Child(program('anvil'), [
      '--host', '127.0.0.1', '--port', String(this.port), '--chain-id', String(CHAIN_ID),
      '--timestamp', String(GENESIS_TIME), '--no-mining', '--quiet', ...extra,
    ]);
    await until(`the node on port ${this.port} answers`, async () => {
      if (this.child.exit) throw new Error(`anvil ended: ${this.child.output}`);
      return this.call('eth_chainId');
    });
  }

  call(method, params) {
    return call(this.url, method, params);
  }

  /** A dead machine: no goodbye to anybody. */
  kill() {
    return this.child.kill();
  }

  /** A hung machine: connections stay open, nothing answers. */
  pause() {
    this.child.signal('SIGSTOP');
  }

  resume() {
    this.child.signal('SIGCONT');
  }

  /** Starts again from a state file; the port opens when the chain is already there. */
  restart(stateFile) {
    return this.#launch(['--load-state', stateFile]);
  }
}

/** Nodes with equal chains, mined in step. */
export class Network {
  static async start(size) {
    const network = new Network();
    network.folder = await mkdtemp(path.join(tmpdir(), 'lasso-nodes-'));
    network.nodes = await Promise.all(Array.from({ length: size }, () => Node.start()));
    await Promise.all(network.nodes.map((node) => build(node)));
    network.height = HEIGHT;
    await network.assertEqual();
    return network;
  }

  async assertEqual() {
    const heads = await Promise.all(this.nodes.map((node) => node.call('eth_getBlockByNumber', ['latest', false])));
    for (const head of heads) {
      assert.equal(Number(head.number), this.height);
      assert.equal(head.hash, heads[0].hash, 'the nodes have left the common chain');
    }
  }

  /** Hands every node the waiting transactions of all, then mines one block at the same time on each. */
  async mine() {
    await this.#gossip();
    this.height += 1;
    await Promise.all(this.nodes.map((node) => mineOne(node, this.height)));
    await this.assertEqual();
  }

  async #gossip() {
    const waiting = new Map();
    for (const node of this.nodes) {
      const { pending } = await node.call('txpool_content');
      for (const { hash } of Object.values(pending).flatMap((byNonce) => Object.values(byNonce))) {
        const known = waiting.get(hash) ?? { raw: await node.call('eth_getRawTransactionByHash', [hash]), at: new Set() };
        known.at.add(node);
        waiting.set(hash, known);
      }
    }
    for (const { raw, at } of waiting.values()) {
      for (const node of this.nodes) if (!at.has(node)) await node.call('eth_sendRawTransaction', [raw]);
    }
  }

  /** Mines whenever a transaction waits, until the returned function is called. */
  mineOnDemand() {
    let running = true;
    const loop = (async () => {
      while (running) {
        const counts = await Promise.all(this.nodes.map((node) => node.call('txpool_status')));
        if (counts.some(({ pending }) => Number(pending) > 0)) await this.mine();
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    return () => {
      running = false;
      return loop;
    };
  }

  /** A file from which `Node.restart` brings the chain back as it is now. */
  async saveState(node = this.nodes[0]) {
    const file = path.join(this.folder, `state-${this.height}.json`);
    const dump = await node.call('anvil_dumpState', [true]);
    await writeFile(file, gunzipSync(Buffer.from(dump.slice(2), 'hex')));
    return file;
  }

  async stop() {
    await Promise.all(this.nodes.map((node) => node.kill()));
    await rm(this.folder, { recursive: true, force: true });
  }
}
