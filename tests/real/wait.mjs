// Waiting with a limit, and ports that nobody else will take meanwhile.

import net from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** Polls `condition` until it gives something truthy; fails with `what` after `limit` milliseconds. */
export async function until(what, condition, { limit = 15_000, every = 25 } = {}) {
  const deadline = performance.now() + limit;
  let last;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`gave up after ${limit} ms waiting until ${what}`, { cause: last });
    }
    await pause(every);
  }
}

function bindable(port) {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}

const given = new Set();

/**
 * A port below the range the kernel hands to outgoing connections (it starts at 32768). A killed node's
 * port must still be free when the node comes back, and a proxy that keeps dialling a port of that range
 * can end up connected to itself.
 */
export async function freePort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (!given.has(port) && (await bindable(port))) {
      given.add(port);
      return port;
    }
  }
}
