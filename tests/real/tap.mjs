// A passage in front of a node, where one can see what arrives and get in the way.

import http from 'node:http';

import { freePort } from './wait.mjs';

/** Hands each request on to `node` and its reply back. */
export class Tap {
  static async before(node) {
    const tap = new Tap();
    tap.#node = node;
    tap.#server = http.createServer((request, response) => tap.#pass(request, response));
    const port = await freePort();
    await new Promise((done) => tap.#server.listen(port, '127.0.0.1', done));
    tap.url = `http://127.0.0.1:${port}`;
    return tap;
  }

  /** The ids of all requests of clients that arrived, in that order; theirs are texts. */
  ids = [];
  /** Milliseconds by which replies come late. */
  delay = 0;
  /** How many of the next client requests get `429`, with ten minutes to wait. */
  refusals = 0;

  #node;
  #server;
  #agent = new http.Agent({ keepAlive: true });

  async #pass(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const { id } = JSON.parse(body);
    const isClients = typeof id === 'string';
    if (isClients) this.ids.push(id);
    if (isClients && this.refusals > 0) {
      this.refusals--;
      response.writeHead(429, { 'retry-after': '600' }).end();
      return;
    }
    if (this.delay > 0) await new Promise((done) => setTimeout(done, this.delay));
    const headers = { 'content-type': 'application/json', 'content-length': body.length };
    http
      .request(this.#node.url, { method: 'POST', agent: this.#agent, headers })
      .on('response', (reply) => reply.pipe(response.writeHead(reply.statusCode, { 'content-type': 'application/json' })))
      .on('error', () => response.destroy())
      .end(body);
  }

  stop() {
    this.#server.closeAllConnections();
    this.#server.close();
    this.#agent.destroy();
  }
}
