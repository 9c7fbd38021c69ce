// The router itself: a profile and a settings file in a folder of their own, and the built program over them.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { CHAIN_ID } from './chain.mjs';
import { Child } from './child.mjs';
import { freePort, until } from './wait.mjs';

/** The program under test. */
export const BINARY = path.resolve(
  process.env.LASSO_BIN ?? path.join(import.meta.dirname, '../../target/release/lasso'),
);

/** Recovery in a second instead of a minute, so that a returned node serves again while the test still runs. */
export const QUICK_RECOVERY = `
circuit_breaker: { recovery_timeout_ms: 1000, max_recovery_timeout_ms: 2000 }
probe: { tick_ms: 50, timeout_ms: 500 }
block_sync: { poll_timeout_ms: 500 }
log: { level: info, format: json, sampling_rate: 0.0 }
`;

/**
 * A profile with the chain `dev`. `providers` are `{ id, url }`; theirs and the chain's `more` are further lines
 * of YAML.
 * The client limit is out of the way: these tests send everything from one address.
 */
export function profile(providers, { slug = 'default', more = [] } = {}) {
  const entries = providers.map(({ id, url, more = [] }) =>
    [`- id: ${id}`, `  name: ${id}`, `  url: "${url}"`, ...more.map((line) => `  ${line}`)]
      .map((line) => `      ${line}`)
      .join('\n'),
  );
  return `name: Real nodes
slug: ${slug}
rps_limit: 1000000
burst_limit: 1000000
chains:
  dev:
    chain_id: ${CHAIN_ID}
    block_time_ms: 12000
    monitoring:
      probe_interval_ms: 500
${more.map((line) => `    ${line}\n`).join('')}    providers:
${entries.join('\n')}
`;
}

/** Providers named after Greek letters, one for each node. */
export function providers(nodes, names = ['alpha', 'beta', 'gamma', 'delta']) {
  return nodes.map((node, i) => ({ id: names[i], url: node.url }));
}

/** Environment of the router: nothing of ours that it would read as settings. */
function environment(extra) {
  const clean = Object.entries(process.env).filter(([name]) => !name.startsWith('LASSO') && name !== 'PORT');
  return { ...Object.fromEntries(clean), ...extra };
}

/** A folder with `profiles/default.yml` and `lasso.yml`, from which the program can be run. */
export class Home {
  static async create({ profileText, otherProfiles = {}, settings = QUICK_RECOVERY }) {
    const home = new Home();
    home.folder = await mkdtemp(path.join(tmpdir(), 'lasso-home-'));
    home.profiles = path.join(home.folder, 'profiles');
    home.profileFile = path.join(home.profiles, 'default.yml');
    home.settingsFile = path.join(home.folder, 'lasso.yml');
    await mkdir(home.profiles);
    await writeFile(home.profileFile, profileText);
    for (const [slug, text] of Object.entries(otherProfiles)) await writeFile(path.join(home.profiles, `${slug}.yml`), text);
    await writeFile(home.settingsFile, settings);
    return home;
  }

  /** Writes the profile in place, as `sed -i` does not and many editors do: readers can see it half-written. */
  writeProfile(text) {
    return writeFile(this.profileFile, text);
  }

  /** Puts a finished profile in the place of the old one, if there is an old one. */
  async replaceProfile(text, slug = 'default') {
    const finished = path.join(this.folder, 'next.yml');
    await writeFile(finished, text);
    await rename(finished, path.join(this.profiles, `${slug}.yml`));
  }

  /** Starts the program with the files of this folder. */
  launch(command, { args = [], env = {} } = {}) {
    const files = ['--profiles', this.profiles, '--config', this.settingsFile];
    return new Child(BINARY, [...command, ...files, ...args], { cwd: this.folder, env: environment(env) });
  }

  remove() {
    return rm(this.folder, { recursive: true, force: true });
  }
}

/** Runs the program with exactly these arguments, in the folder given, to its end. */
export async function lasso(args, { cwd = tmpdir(), env = {} } = {}) {
  const child = new Child(BINARY, args, { cwd, env: environment(env) });
  const exit = await child.ended;
  return { ...exit, output: child.output };
}

/** Waits until the program behind `base` serves; fails early when it ends instead. */
export function healthy(child, base) {
  return until('the router is healthy', async () => {
    if (child.exit) return true;
    return (await fetch(`${base}/api/health`)).status === 200;
  }).then(() => {
    if (child.exit) throw new Error(`the router ended with ${JSON.stringify(child.exit)}:\n${child.output}`);
  });
}

/** A serving router. */
export class Lasso {
  static async start({ providers: list, profileText = profile(list), otherProfiles, settings, env }) {
    const router = new Lasso();
    router.home = await Home.create({ profileText, otherProfiles, settings });
    router.port = await freePort();
    router.base = `http://127.0.0.1:${router.port}`;
    router.url = `${router.base}/rpc/dev`;
    router.child = router.home.launch(['serve'], { args: ['--listen', `127.0.0.1:${router.port}`], env });
    await healthy(router.child, router.base);
    return router;
  }

  /** Everything it printed so far. */
  get log() {
    return this.child.output;
  }

  /** Asks it to stop as a service supervisor does, and holds it to a clean end. */
  async stop() {
    this.child.signal('SIGTERM');
    await until('the router has stopped', () => this.child.exit, { limit: 35_000 });
    await this.home.remove();
    assert.deepEqual(this.child.exit, { code: 0, signal: null }, this.log.slice(-2000));
  }
}
