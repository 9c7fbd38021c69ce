// What clients ask while the chain forks under them, and what they may be told.

import { isDeepStrictEqual } from 'node:util';

import { blockAt, head } from './branches.mjs';
import { DEPLOYER, PING, PINGS, RECEIVER, REFUSE } from './chain.mjs';
import { hex, item, known, PEEK } from './load.mjs';

/** Two profiles over the same nodes: `tight` passes nodes by that are more than one block behind. */
export const TIGHT = 'tight';
export const MAX_LAG = 1;

/** Every strategy, in turn. */
const PATHS = [
  '/rpc/dev',
  '/rpc/fastest/dev',
  '/rpc/load-balanced/dev',
  '/rpc/latency-weighted/dev',
  '/rpc/priority/dev',
  `/rpc/profile/${TIGHT}/dev`,
  `/rpc/profile/${TIGHT}/fastest/dev`,
];

/** The paths whose strategy gives every provider its share: who serves here, serves. */
export const SHARED_PATHS = { loose: '/rpc/dev', tight: `/rpc/profile/${TIGHT}/dev` };

/** The exchanges of a `Load`, by number. What never changes is asked of `node` first. */
export async function traffic(node, ledger) {
  const receipt = (await node.call('eth_getBlockByNumber', [hex(PINGS.from), false])).transactions[0];
  const fixed = await Promise.all(
    [
      item(1, 'eth_getBalance', [DEPLOYER, 'latest']),
      item('two', 'eth_call', [{ to: REFUSE, data: '0x' }, 'latest']),
      item(3, 'eth_getBlockByNumber', [hex(PINGS.from), true]),
      item(4, 'eth_getLogs', [{ address: PING, fromBlock: hex(PINGS.from), toBlock: hex(PINGS.to) }]),
      item(5, 'eth_getTransactionReceipt', [receipt]),
      [item(6, 'eth_getLogs', [{ fromBlock: '0x0', toBlock: 'latest' }]), item(6, 'eth_getCode', [PING, 'latest'])],
    ].map((body) => known(node, body)),
  );
  const balance = await node.call('eth_getBalance', [RECEIVER, 'latest']);

  const isHeight = (result, begin, end) => ledger.some(begin, end, (branch) => Number(result) === head(branch));
  const changing = [
    () => ask(item(20, 'eth_blockNumber', []), isHeight),
    // The contract answers with the number of the block it runs in.
    () => ask(item(21, 'eth_call', [PEEK, 'latest']), isHeight),
    () =>
      ask(item(22, 'eth_getBlockByNumber', ['latest', false]), (block, begin, end) =>
        ledger.some(begin, end, (branch) => isDeepStrictEqual(block, branch.at(-1))),
      ),
    // A node that has not come so far says `null`, as nodes do.
    (number = ledger.everywhere + 1) =>
      ask(item(23, 'eth_getBlockByNumber', [hex(number), false]), (block, begin, end) =>
        ledger.some(begin, end, (branch) => isDeepStrictEqual(block, blockAt(branch, number))),
      ),
    // A node that has not come so far refuses this, and the router must find one that has.
    () => ask(item(24, 'eth_getBalance', [RECEIVER, hex(ledger.everywhere)]), (result) => result === balance),
  ];
  const bodies = [...fixed.map((exchange) => () => exchange), ...changing];
  // The two lengths have no common factor, so every body takes every path.
  return (number) => ({ ...bodies[number % bodies.length](), path: PATHS[number % PATHS.length] });
}

/** An exchange whose result is right if `fits`. */
function ask(request, fits) {
  const { jsonrpc, id } = request;
  return {
    body: JSON.stringify(request),
    allows: (reply, begin, end) =>
      isDeepStrictEqual(reply, { jsonrpc, id, result: reply.result }) && fits(reply.result, begin, end),
  };
}
