// The chain that every test starts from: two contracts, five events, twenty blocks, same hashes on every node.

/** Time of block 0; every later block follows after `BLOCK_SECONDS`. */
export const GENESIS_TIME = 1_700_000_000;
export const BLOCK_SECONDS = 12;
export const CHAIN_ID = 31_337;

/** Height of the finished chain. */
export const HEIGHT = 20;

/** The first two of the public development accounts that every anvil node knows. */
export const DEPLOYER = '0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266';
export const SENDER = '0x70997970c51812dc3a010c7d01b50e0d17dc79c8';
export const SENDER_KEY = '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d';
export const RECEIVER = '0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc';

/** Answers any call with the block number, and logs `Ping(uint256)` with it. */
export const PING = '0x5fbdb2315678afecb367f032d93f642f64180aa3';
const PING_CODE =
  '0x602f80600b6000396000f3436000527f48257dc961b6f792c2b78a080dacfed693b660960a702de21cee364e20270e2f60206000a160206000f3';
export const PING_ABI = ['event Ping(uint256 number)', 'function ping() returns (uint256)', 'function peek() view returns (uint256)'];
export const PING_TOPIC = '0x48257dc961b6f792c2b78a080dacfed693b660960a702de21cee364e20270e2f';

/** Reverts any call with `Error("nope")`. */
export const REFUSE = '0xe7f1725e7734ce288f8367e1bb143e90bb3f0512';
const REFUSE_CODE = '0x602580600b6000396000f36308c379a060e01b60005260206004526004602452636e6f706560e01b60445260646000fd';
export const REFUSE_DATA =
  '0x08c379a0' + '20'.padStart(64, '0') + '04'.padStart(64, '0') + '6e6f7065'.padEnd(64, '0');

/** Blocks 3 to 7 hold one `Ping` each. */
export const PINGS = { from: 3, to: 7 };

const hex = (number) => `0x${number.toString(16)}`;

// Nonce, gas and price are given so that the transaction, and with it the block, is the same on every node.
const transaction = (nonce, fields) => ({ from: DEPLOYER, nonce: hex(nonce), gas: hex(200_000), gasPrice: hex(2_000_000_000), ...fields });

/** Blocks 1 to `HEIGHT` on a fresh node. */
export async function build(node) {
  const transactions = [
    transaction(0, { data: PING_CODE }),
    transaction(1, { data: REFUSE_CODE }),
    ...Array.from({ length: 5 }, (_, i) => transaction(2 + i, { to: PING, data: '0x5c36b186' })),
  ];
  for (let height = 1; height <= HEIGHT; height++) {
    const next = transactions[height - 1];
    if (next) await node.call('eth_sendTransaction', [next]);
    await mineOne(node, height);
  }
}

/** The block at `height`, at the time that belongs to it. */
export function mineOne(node, height) {
  return node.call('evm_mine', [{ timestamp: GENESIS_TIME + height * BLOCK_SECONDS }]);
}
