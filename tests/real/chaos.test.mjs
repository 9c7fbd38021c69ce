// Nodes are killed, stopped and reorganised under a steady load, by chance; the clients must not notice.
//
// `LASSO_CHAOS_SECONDS` sets for how long at least (long enough for every kind of step it always is), and
// `LASSO_CHAOS_SEED` repeats the steps of an earlier run.

import assert from 'node:assert/strict';
import test from 'node:test';

import { Author, Copy, Ledger } from './branches.mjs';
import { Chaos } from './chaos.mjs';
import { Lasso, profile, providers } from './lasso.mjs';
import { Load } from './load.mjs';
import { Network } from './nodes.mjs';
import { Random } from './random.mjs';
import { MAX_LAG, TIGHT, traffic } from './traffic.mjs';
import { Witness } from './witness.mjs';

const RATE = 300;
const SECONDS = Number(process.env.LASSO_CHAOS_SECONDS ?? 40);
const SEED = Number(process.env.LASSO_CHAOS_SEED ?? Math.floor(Math.random() * 2 ** 32));

const NAME = `no client notices what happens to nodes (${SECONDS} s, ${RATE} requests a second, seed ${SEED})`;

test(NAME, { timeout: (SECONDS + 180) * 1000 }, async (t) => {
  const network = await Network.start(4);
  // One node makes the branches; the router knows the others.
  const [reference, ...served] = network.nodes;
  const author = await Author.start(reference);
  const ledger = new Ledger();
  const listed = providers(served);
  const copies = served.map((node, i) => new Copy(node, listed[i].id, author.branch, ledger));
  const exchanges = await traffic(reference, ledger);
  const state = await network.saveState(reference);

  const tight = profile(listed, { slug: TIGHT, more: ['selection:', `  max_lag_blocks: ${MAX_LAG}`] });
  const lasso = await Lasso.start({ providers: listed, otherProfiles: { [TIGHT]: tight } });
  t.after(async () => {
    await lasso.stop();
    await network.stop();
  });

  const load = new Load(lasso.base, exchanges, { rate: RATE });
  const witness = new Witness(lasso);
  const chaos = new Chaos({ random: new Random(SEED), copies, author, ledger, state, load, witness });
  let seconds;
  try {
    while (load.seconds < SECONDS || !chaos.isDealt) await chaos.step();
    seconds = load.seconds;
  } finally {
    t.diagnostic(await load.stop());
    t.diagnostic(chaos.summary());
    const isFine = seconds !== undefined && load.errors.length + load.wrong.length === 0;
    if (!isFine) t.diagnostic(`the steps:\n${chaos.journal.join('\n')}`);
  }

  assert.deepEqual(load.errors.slice(0, 5), []);
  assert.deepEqual(load.wrong.slice(0, 5), []);
  assert.equal(load.answered, load.sent);
  assert.ok(load.sent > seconds * RATE * 0.95, `only ${load.sent} requests left: the load was not what it claims`);
});
