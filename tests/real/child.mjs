// Child processes that never outlive the test that started them.

import { spawn } from 'node:child_process';

const alive = new Set();

function endAll() {
  for (const child of alive) child.kill('SIGKILL');
}

process.once('exit', endAll);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));

/** A started program: its process, all it printed so far, and a promise of how it ended. */
export class Child {
  constructor(command, args, options = {}) {
    this.output = '';
    this.process = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    alive.add(this.process);
    const collect = (chunk) => {
      this.output += chunk;
    };
    this.process.stdout.setEncoding('utf8').on('data', collect);
    this.process.stderr.setEncoding('utf8').on('data', collect);
    this.process.once('error', (error) => collect(`${error.message}\n`));
    this.ended = new Promise((resolve) => {
      this.process.once('close', (code, signal) => {
        alive.delete(this.process);
        this.exit = { code, signal };
        resolve(this.exit);
      });
    });
  }

  signal(name) {
    this.process.kill(name);
  }

  /** Ends the process at once, stopped or not, and waits until it is gone. */
  async kill() {
    if (!this.exit) this.signal('SIGKILL');
    await this.ended;
  }
}

/** Runs a program to its end: `{ code, signal, output }`. */
export async function run(command, args, options) {
  const child = new Child(command, args, options);
  const exit = await child.ended;
  return { ...exit, output: child.output };
}
