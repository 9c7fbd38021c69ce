// A small indexer: it takes heads and logs from subscriptions, holds each head against its parent and fetches the block
// and its logs by hash, as indexers do.

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
      this.#client.request({ method: 'eth_getBlockByHash', params: [hash, true] }),
      this.#client.request({ method: 'eth_getLogs', params: [{ ...this.#filter, blockHash: hash }] }),
    ]);
    if (block?.hash !== hash) this.problems.push(`block ${Number(number)} is not there`);
    this.table.push({ number: Number(number), hash, logs });
  }
}
