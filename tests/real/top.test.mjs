// `lasso top`: the program at a terminal and without one.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';

import { Child } from './child.mjs';
import { BINARY, healthy } from './lasso.mjs';
import { freePort, until } from './wait.mjs';

/** Runs it to its end, with both streams apart. */
async function top(args, env = {}) {
  const child = spawn(BINARY, ['top', ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  const collect = async (stream) => (await stream.setEncoding('utf8').toArray()).join('');
  const ended = new Promise((resolve, reject) => child.once('close', resolve).once('error', reject));
  const [stdout, stderr, code] = await Promise.all([collect(child.stdout), collect(child.stderr), ended]);
  return { code, stdout, stderr };
}

/** What a terminal is asked for: another page, and the page that was there before, with the cursor. */
const ENTER = '\x1b[?1049h';
const LEAVE = '\x1b[?1049l';
const SHOW_CURSOR = '\x1b[?25h';

const has = (command) => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0;

/** Starts it at a terminal of its own. */
function atTerminal(url, { before = '', env = {} } = {}) {
  const command = `stty rows 30 cols 120; ${before}'${BINARY}' top ${url}`;
  return new Child('script', ['-qec', command, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, TERM: 'xterm-256color', ...env },
  });
}

describe('lasso top', () => {
  let demo, base;
  before(async () => {
    const port = await freePort();
    base = `http://127.0.0.1:${port}`;
    demo = new Child(BINARY, ['demo', '--listen', `127.0.0.1:${port}`]);
    await healthy(demo, base);
  });
  after(() => demo.kill());

  /** Names of what the router has. */
  async function providers() {
    const response = await fetch(`${base}/api/live`);
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    let text = '';
    while (!text.includes('\n\n')) text += decoder.decode((await reader.read()).value, { stream: true });
    await reader.cancel();
    return JSON.parse(text.match(/^data: (.*)$/m)[1]).providers.map(({ id }) => id);
  }

  for (const args of [['--once'], []]) {
    test(`prints one table without a terminal (${args.join(' ') || 'no option'})`, async () => {
      const { code, stdout, stderr } = await top([base, ...args]);
      assert.equal(code, 0, stderr);
      assert.equal(stderr, '');
      assert.match(stdout, /^profile \S+ at \S+ \(\S+\)\n/);
      assert.match(stdout, /^CHAIN\/PROVIDER +STATUS +HEIGHT +LAG +P50 MS +P95 MS +OK % +RPS +SHARE % +BREAKERS$/m);
      const ids = await providers();
      assert.ok(ids.length > 0);
      for (const id of ids) assert.match(stdout, new RegExp(`^  ${id} `, 'm'));
      assert.ok(!stdout.includes('\x1b'), stdout);
    });
  }

  test('PORT says which router is meant', async () => {
    const { code, stdout, stderr } = await top(['--once'], { PORT: new URL(base).port });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^profile /);
  });

  test('an unknown profile, nobody there and no Lasso end it with 1 and a reason', async (t) => {
    const web = createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1');
    await until('it listens', () => web.address());
    t.after(() => web.close());
    for (const [args, reason] of [
      [[base, '--profile', 'nobody'], /there is no profile `nobody`; there is /],
      [[`http://127.0.0.1:${await freePort()}`], /refused/],
      [[`http://127.0.0.1:${web.address().port}`], /no Lasso/],
    ]) {
      const { code, stdout, stderr } = await top([...args, '--once']);
      assert.deepEqual([code, stdout], [1, ''], stderr);
      assert.match(stderr, reason);
    }
  });

  test('wrong usage ends it with 2 and repeats no password', async () => {
    for (const args of [['ftp://user:secret@h'], ['--nonsense'], [base, 'more']]) {
      const { code, stdout, stderr } = await top(args);
      assert.deepEqual([code, stdout], [2, ''], stderr);
      assert.doesNotMatch(stderr, /secret/);
    }
  });

  describe('at a terminal', { skip: !has('script') || !has('stty') }, () => {
    test('shows the providers, and q ends it with everything put back', async (t) => {
      const [provider] = await providers();
      const child = atTerminal(base);
      t.after(() => child.kill());
      await until('the provider is shown', () => child.output.includes(provider));
      assert.ok(child.output.includes(ENTER));
      assert.ok(!child.output.includes(LEAVE));
      child.process.stdin.write('?');
      await until('the keys are shown', () => child.output.includes('Shift-Tab'));
      child.process.stdin.write('q');
      assert.deepEqual(await child.ended, { code: 0, signal: null }, child.output.slice(-500));
      assert.ok(child.output.lastIndexOf(LEAVE) > child.output.lastIndexOf(ENTER));
      assert.ok(child.output.lastIndexOf(SHOW_CURSOR) > child.output.lastIndexOf('\x1b[?25l'));
    });

    test('SIGTERM puts everything back too', async (t) => {
      const [provider] = await providers();
      // The shell tells its number, which is the program's after `exec`.
      const child = atTerminal(base, { before: 'echo "pid $$ "; exec ' });
      t.after(() => child.kill());
      await until('the provider is shown', () => child.output.includes(provider));
      process.kill(Number(child.output.match(/pid (\d+) /)[1]), 'SIGTERM');
      assert.deepEqual(await child.ended, { code: 0, signal: null }, child.output.slice(-500));
      assert.ok(child.output.includes(LEAVE));
    });

    test('no colours where NO_COLOR asks for none', async (t) => {
      const [provider] = await providers();
      const color = /\x1b\[(?:\d+;)*(?:3[1-7]|38;5;\d+)(?:;\d+)*m/;
      for (const [env, expected] of [[{ NO_COLOR: '' }, true], [{ NO_COLOR: '1' }, false]]) {
        const child = atTerminal(base, { env });
        t.after(() => child.kill());
        await until('the provider is shown', () => child.output.includes(provider));
        await until('the word is shown', () => /live/.test(child.output));
        child.process.stdin.write('q');
        await child.ended;
        assert.equal(color.test(child.output), expected, JSON.stringify(child.output.slice(0, 600)));
      }
    });
  });
});
