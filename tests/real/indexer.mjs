// A small indexer: it takes heads and logs from subscriptions, holds each head against its parent and fetches the block
// and its logs by hash, as indexers do.

import { setTimeout as pause } from 'node:timers/promises';

import { createClient, webSocket } from 'viem';

export class Indexer {
  static async start(url, filter) {
    const indexer = new Indexer();
    indexer.#filter = filter;
    indexer.#client = createClient({ transport: webSocket(url, { reconnect: false, retryCount: 0 }) });
    const subscribe = (params, onData) =>
      indexer.#client.transport.subscribe({ params, onData: ({ result }) => onData(result), onError: (error) => indexer.problems.push(`${params[0]}: ${error}`) });
    await subscribe(['logs', filter], (log) => indexer.#log(log));
    await subscribe(['newHeads'], (head) => indexer.#head(head));
    (await indexer.#client.transport.getRpcClient()).socket.addEventListener('close', ({ code }) => {
      if (!indexer.#stopped) indexer.problems.push(`closed with ${code}`);
    });
    return indexer;
  }

  /** A row for each block: `{ number, hash, logs }`. */
  table = [];
  problems = [];
  /** How often a block was not there yet. */
  retries = 0;

  #client;
  #filter;
  #tip;
  #stopped = false;
  /** Logs that were told, by block. */
  #told = new Map();
  /** One block after the other. */
  #turn = Promise.resolve();

  stop() {
    this.#stopped = true;
    this.#client.transport.getRpcClient().then((rpc) => rpc.close());
  }

  #log(log) {
    const logs = this.#told.get(log.blockHash) ?? [];
    if (log.removed) this.problems.push(`a log of ${log.blockNumber} was taken back`);
    if (logs.some(({ logIndex }) => logIndex === log.logIndex)) this.problems.push(`log ${log.logIndex} of ${log.blockNumber} came twice`);
    this.#told.set(log.blockHash, [...logs, log]);
  }

  #head(head) {
    if (this.#tip && head.parentHash !== this.#tip) this.problems.push(`the parent of ${Number(head.number)} is not the head before it`);
    this.#tip = head.hash;
    this.#turn = this.#turn.then(() => this.#index(head)).catch((error) => this.problems.push(`block ${Number(head.number)}: ${error.message}`));
  }

  async #index({ number, hash }) {
    const [block, logs] = await Promise.all([
      this.#there('eth_getBlockByHash', [hash, true]),
      this.#there('eth_getLogs', [{ ...this.#filter, blockHash: hash }]),
    ]);
    if (block?.hash !== hash) this.problems.push(`block ${Number(number)} is not there`);
    this.table.push({ number: Number(number), hash, logs });
  }

  /** All that went wrong, and the blocks whose logs are not those that were told of. */
  differences() {
    const places = (logs) => JSON.stringify(logs.map(({ logIndex }) => Number(logIndex)));
    const differ = this.table.filter(({ hash, logs }) => places(this.#told.get(hash) ?? []) !== places(logs));
    return [...this.problems, ...differ.map(({ number }) => `the logs of ${number} are not those that were told of`)];
  }

  /** What a block that was told of has. Another node may have it a moment later: indexers ask again. */
  async #there(method, params) {
    for (let patience = 50; ; patience--) {
      const answer = await this.#client.request({ method, params }).catch((error) => {
        if (patience === 0) throw error;
      });
      if (answer || patience === 0) return answer;
      this.retries++;
      await pause(100);
    }
  }
}
