// JSON-RPC without a client library: what goes over the wire is what the test wrote.

/** Posts `body` (an object, an array or text) and gives status, headers, text and the parsed reply. */
export async function post(url, body, headers = {}) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: text === '' ? undefined : JSON.parse(text),
  };
}

let nextId = 1;

/** One request object with an id of its own. */
export function request(method, params = []) {
  return { jsonrpc: '2.0', id: nextId++, method, params };
}

/** One call; the result, or an error that carries the reply's `code` and `data`. */
export async function call(url, method, params = []) {
  const { status, json } = await post(url, request(method, params));
  if (json?.error) {
    throw Object.assign(new Error(`${method}: ${json.error.message}`), { code: json.error.code, data: json.error.data });
  }
  if (status !== 200) throw new Error(`${method}: HTTP ${status}`);
  return json.result;
}

/** The routing metadata that `X-Lasso-Include-Meta: headers` adds to a reply. */
export function meta(headers) {
  const encoded = headers instanceof Headers ? headers.get('x-lasso-meta') : headers['x-lasso-meta'];
  return encoded ? JSON.parse(Buffer.from(encoded, 'base64url').toString('utf8')) : undefined;
}
