// web3.py: the checks are Python (web3py_client.py), the nodes and the router come from here.

import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';

import { PING, PINGS, RECEIVER, REFUSE, REFUSE_DATA, SENDER_KEY } from './chain.mjs';
import { run } from './child.mjs';
import { Lasso, providers } from './lasso.mjs';
import { Network } from './nodes.mjs';

const PYTHON = process.env.LASSO_TEST_PYTHON ?? path.join(import.meta.dirname, '.venv/bin/python');

test('web3.py', async (t) => {
  const network = await Network.start(3);
  const lasso = await Lasso.start({ providers: providers(network.nodes) });
  const stopMining = network.mineOnDemand();
  t.after(async () => {
    await stopMining();
    await lasso.stop();
    await network.stop();
  });

  const { code, output } = await run(PYTHON, ['-m', 'unittest', '-v', 'web3py_client'], {
    cwd: import.meta.dirname,
    env: {
      ...process.env,
      PYTHONDONTWRITEBYTECODE: '1',
      RPC_URL: lasso.url,
      FIXTURE: JSON.stringify({ PING, PINGS, RECEIVER, REFUSE, REFUSE_DATA, SENDER_KEY }),
    },
  });
  assert.equal(code, 0, output);
  assert.match(output, /^Ran [1-9]\d* tests/m);
});
