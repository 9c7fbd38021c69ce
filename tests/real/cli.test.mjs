// What a person meets at the command line.

import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test } from 'node:test';

import { Child } from './child.mjs';
import { BINARY, healthy, Home, lasso, Lasso, profile, QUICK_RECOVERY } from './lasso.mjs';
import { call, post, request } from './rpc.mjs';
import { freePort, until } from './wait.mjs';

const GOOD = profile([{ id: 'alpha', url: 'https://rpc.example/v1' }]);

/** The line, counted from one, on which `text` stands in `document`. */
function lineOf(document, text) {
  const before = document.split(text);
  assert.equal(before.length, 2, `"${text}" must occur once`);
  return before[0].split('\n').length;
}

async function check(t, { profileText = GOOD, settings = '', env = {} } = {}) {
  const home = await Home.create({ profileText, settings });
  t.after(() => home.remove());
  const child = home.launch(['check'], { env });
  const { code } = await child.ended;
  return { code, output: child.output };
}

describe('lasso check', () => {
  test('accepts a good profile', async (t) => {
    const { code, output } = await check(t, { settings: QUICK_RECOVERY });
    assert.equal(code, 0, output);
  });

  test('names every fault of a profile with its line', async (t) => {
    const profileText = `name: Faulty
slug: default
chains:
  first:
    chain_id: "one"
    providers:
      - id: alpha
        url: https://rpc.example/v1
      - id: beta
        url: gopher://rpc.example/v2
  second:
    chain_id: 2
    providers:
      - id: twin
        url: https://rpc.example/v3
      - id: twin  # again
        url: https://rpc.example/v4
`;
    const { code, output } = await check(t, { profileText });
    assert.equal(code, 1, output);
    for (const fault of ['"one"', 'gopher', 'twin  # again']) {
      assert.ok(output.includes(`default.yml:${lineOf(profileText, fault)}`), `no line of ${fault} in:\n${output}`);
    }
  });

  test('an unset variable is named, with its line', async (t) => {
    const profileText = profile([{ id: 'alpha', url: 'https://rpc.example/${LASSOTEST_NO_SUCH_KEY}' }]);
    const { code, output } = await check(t, { profileText });
    assert.equal(code, 1, output);
    assert.match(output, /LASSOTEST_NO_SUCH_KEY/);
    assert.ok(output.includes(`default.yml:${lineOf(profileText, 'LASSOTEST_NO_SUCH_KEY')}`), output);
  });

  test('a variable that is set is taken, and not shown', async (t) => {
    const profileText = profile([{ id: 'alpha', url: 'https://rpc.example/${KEY_OF_ALPHA}' }]);
    const { code, output } = await check(t, { profileText, env: { KEY_OF_ALPHA: 'abcdef0123456789' } });
    assert.equal(code, 0, output);
    assert.ok(!output.includes('abcdef0123456789'), output);
  });

  test('an unknown key in the settings is refused with the key that was probably meant', async (t) => {
    const settings = 'circuit_breaker:\n  recovery_timout_ms: 500\n';
    const { code, output } = await check(t, { settings });
    assert.equal(code, 1, output);
    assert.match(output, /lasso\.yml:2/);
    assert.match(output, /did you mean.*recovery_timeout_ms/i);
  });

  test('an unknown key in a profile is a warning', async (t) => {
    const { code, output } = await check(t, { profileText: `${GOOD}no_such_key: { a: 1 }\n` });
    assert.equal(code, 0, output);
    assert.match(output, /default\.yml:\d+: warning: no_such_key/);
  });

  test('settings from the environment are checked like those of the file', async (t) => {
    const { code, output } = await check(t, { env: { LASSO__CIRCUIT_BREAKER__RECOVERY_TIMEOUT_MS: 'soon' } });
    assert.equal(code, 1, output);
    assert.match(output, /recovery_timeout_ms/i);
  });

  test('a slug that is not the name of the file is refused', async (t) => {
    const { code, output } = await check(t, { profileText: GOOD.replace('slug: default', 'slug: other') });
    assert.equal(code, 1, output);
    assert.match(output, /default\.yml:2/);
  });
});

describe('wrong usage ends with 2', () => {
  for (const args of [['--no-such-flag'], ['no-such-command'], ['--listen', 'nowhere'], ['serve', '--profiles']]) {
    test(args.join(' '), async () => {
      const { code, output } = await lasso(args);
      assert.equal(code, 2, output);
      assert.notEqual(output.trim(), '');
    });
  }

  test('--help and --version are no faults', async () => {
    assert.equal((await lasso(['--help'])).code, 0);
    const { code, output } = await lasso(['--version']);
    assert.equal(code, 0);
    assert.match(output, /\d+\.\d+\.\d+/);
  });
});

describe('lasso serve', () => {
  test('streaming_11_case_58_a_profile_with_an_unset_variable_does_not_start', async (t) => {
    const profileText = profile([{ id: 'alpha', url: 'https://rpc.example/${LASSOTEST_NO_SUCH_KEY}' }]);
    const home = await Home.create({ profileText });
    t.after(() => home.remove());
    const child = home.launch(['serve'], { args: ['--listen', `127.0.0.1:${await freePort()}`] });
    const { code } = await child.ended;
    assert.equal(code, 1, child.output);
    assert.match(child.output, /LASSOTEST_NO_SUCH_KEY/);
  });

  test('without a profile says where it looked', async (t) => {
    const home = await Home.create({ profileText: GOOD });
    t.after(() => home.remove());
    const empty = path.join(home.folder, 'empty');
    const { code, output } = await lasso(['serve', '--profiles', empty, '--listen', `127.0.0.1:${await freePort()}`]);
    assert.equal(code, 1, output);
    assert.ok(output.includes(empty), output);
  });

  test('a port in use is an error that names the address', async (t) => {
    const router = await Lasso.start({ profileText: GOOD });
    t.after(() => router.stop());
    const home = await Home.create({ profileText: GOOD });
    t.after(() => home.remove());
    const child = home.launch(['serve'], { args: ['--listen', `127.0.0.1:${router.port}`] });
    assert.equal((await child.ended).code, 1, child.output);
    assert.ok(child.output.includes(`127.0.0.1:${router.port}`), child.output);
  });

  test('flag beats environment, environment beats file', async (t) => {
    const [flag, variable, file] = [await freePort(), await freePort(), await freePort()];
    const settings = `server: { listen: "127.0.0.1:${file}" }\n`;
    const start = async (args, env, port) => {
      const home = await Home.create({ profileText: GOOD, settings });
      t.after(() => home.remove());
      const child = home.launch(['serve'], { args, env });
      await healthy(child, `http://127.0.0.1:${port}`);
      child.signal('SIGINT');
      assert.equal((await child.ended).code, 0, child.output);
    };
    await start(['--listen', `127.0.0.1:${flag}`], { LASSO_LISTEN: `127.0.0.1:${variable}` }, flag);
    await start([], { LASSO_LISTEN: `127.0.0.1:${variable}` }, variable);
    await start([], { PORT: String(variable) }, variable);
    await start([], {}, file);
  });
});

describe('lasso demo', () => {
  test('serves a chain without network, configuration or keys', async (t) => {
    const port = await freePort();
    const base = `http://127.0.0.1:${port}`;
    const demo = new Child(BINARY, ['demo', '--listen', `127.0.0.1:${port}`]);
    t.after(() => demo.kill());
    await healthy(demo, base);
    await until('it prints the URL to try', () => demo.output.includes(`${base}/rpc/`));

    const health = await (await fetch(`${base}/api/health`)).json();
    assert.equal(health.status, 'healthy');
    assert.match(health.version, /^\d+\.\d+\.\d+/);
    const { chains } = await (await fetch(`${base}/api/chains`)).json();
    assert.ok(chains.length > 0);

    for (const { chain_id: id, chain_name: name } of chains) {
      const url = `${base}/rpc/${name}`;
      assert.equal(Number(await call(url, 'eth_chainId')), Number(id));
      const height = await call(url, 'eth_blockNumber');
      assert.match(height, /^0x[0-9a-f]+$/);
      assert.ok(Array.isArray(await call(url, 'eth_getLogs', [{ fromBlock: height, toBlock: height }])));

      const batch = [request('eth_blockNumber'), request('eth_getBlockByNumber', ['latest', false]), request('eth_chainId')];
      const { json } = await post(url, batch);
      assert.deepEqual(json.map((reply) => reply.id), batch.map((item) => item.id));
      assert.ok(json.every((reply) => 'result' in reply), JSON.stringify(json));
    }

    demo.signal('SIGTERM');
    assert.deepEqual(await demo.ended, { code: 0, signal: null }, demo.output);
  });
});
