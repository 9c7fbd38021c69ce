// The configuration changes under load: providers come, go and move; a broken file changes nothing.

import assert from 'node:assert/strict';
import test from 'node:test';

import { Lasso, profile } from './lasso.mjs';
import { knownAnswers, Load } from './load.mjs';
import { Network } from './nodes.mjs';
import { until } from './wait.mjs';

test('reloading under load loses nothing', { timeout: 120_000 }, async (t) => {
  const network = await Network.start(4);
  const [first, second, third, fourth] = network.nodes;
  const alpha = { id: 'alpha', url: first.url };
  const beta = { id: 'beta', url: second.url };
  const gamma = { id: 'gamma', url: third.url };

  const lasso = await Lasso.start({ providers: [alpha, beta] });
  t.after(async () => {
    await lasso.stop();
    await network.stop();
  });
  const load = new Load(lasso.base, await knownAnswers(first), { rate: 200 });

  const serves = (id) => {
    const before = load.servedBy(id);
    return until(`${id} serves`, () => load.servedBy(id) > before + 10);
  };
  /** Two hundred replies in a row without one from `id`. */
  const restsAll = (id) => {
    let [replies, own] = [load.answered, load.servedBy(id)];
    return until(`${id} serves no more`, () => {
      if (load.servedBy(id) > own) [replies, own] = [load.answered, load.servedBy(id)];
      return load.answered > replies + 200;
    });
  };

  await t.test('at first', () => Promise.all([serves('alpha'), serves('beta')]));

  await t.test('a provider is added: the changed file is enough', async () => {
    await lasso.home.replaceProfile(profile([alpha, beta, gamma]));
    await serves('gamma');
  });

  await t.test('a provider is removed, by SIGHUP, and its node may then go', async () => {
    await lasso.home.replaceProfile(profile([beta, gamma]));
    lasso.child.signal('SIGHUP');
    await restsAll('alpha');
    await first.kill();
    await Promise.all([serves('beta'), serves('gamma')]);
  });

  await t.test('a provider moves to another address under its own name', async () => {
    const { length } = lasso.log;
    await lasso.home.writeProfile(profile([{ ...beta, url: fourth.url }, gamma]));
    lasso.child.signal('SIGHUP');
    await until('the reload is in the log', () => /reload/i.test(lasso.log.slice(length)));
    await second.kill();
    await serves('beta');
    await third.kill();
    await serves('beta');
    await third.restart(await network.saveState(fourth));
    await serves('gamma');
  });

  await t.test('a broken file is refused with its line, and the old one goes on serving', async () => {
    const good = profile([{ ...beta, url: fourth.url }, gamma]);
    const broken = good.replace('chain_id: 31337', 'chain_id: "thirty-one"');
    const line = broken.slice(0, broken.indexOf('thirty-one')).split('\n').length;
    await lasso.home.writeProfile(broken);
    lasso.child.signal('SIGHUP');
    await until('the log names file and line', () => lasso.log.includes(`default.yml:${line}`));
    const { length } = lasso.log;
    await Promise.all([serves('beta'), serves('gamma')]);
    assert.equal((await fetch(`${lasso.base}/api/health`)).status, 200);

    await lasso.home.writeProfile('chains: [');
    lasso.child.signal('SIGHUP');
    await until('the log tells of this file too', () => /default\.yml:\d/.test(lasso.log.slice(length)));
    await Promise.all([serves('beta'), serves('gamma')]);
  });

  await t.test('a file put right is taken again', async () => {
    await lasso.home.writeProfile(profile([gamma]));
    await restsAll('beta');
    await serves('gamma');
  });

  await t.test('no error, no wrong answer, nothing unanswered', async () => {
    t.diagnostic(await load.stop());
    assert.deepEqual(load.errors.slice(0, 5), []);
    assert.deepEqual(load.wrong.slice(0, 5), []);
    assert.equal(load.answered, load.sent);
  });
});
