// The stream of what the router sees, read into the store.

import { store } from './store.js';

/** Longer than the two seconds between heartbeats, with room for a slow line. */
const SILENCE = 7000;
const RETRY = [1000, 2000, 5000, 10_000];

let source = null;
let retry = null;
let refusals = 0;
let lastHeard = 0;

let missing = () => {};

/**
 * Follows this profile from now on (`null`: the default one), and no other. `onMissing` is called when there is no
 * such profile.
 */
export function follow(profile, onMissing) {
  stop();
  refusals = 0;
  missing = onMissing;
  store.connection('connecting');
  open(profile);
}

function stop() {
  source?.close();
  clearTimeout(retry);
  source = retry = null;
}

function open(profile) {
  const stream = new EventSource(address(profile));
  source = stream;
  lastHeard = Date.now();
  const hear = (take) => (message) => {
    if (stream !== source) return;
    lastHeard = Date.now();
    refusals = 0;
    take(JSON.parse(message.data));
    store.connection('live');
  };
  stream.addEventListener('snapshot', hear((snapshot) => store.replace(snapshot)));
  stream.addEventListener('batch', hear((batch) => store.merge(batch)));
  stream.addEventListener('heartbeat', hear(({ now }) => store.heard(now)));
  stream.addEventListener('error', () => {
    if (stream !== source) return;
    // The browser comes back by itself after a broken line, but not after an answer other than 200.
    store.connection('lost');
    if (stream.readyState === EventSource.CLOSED) again(profile);
  });
}

function again(profile) {
  stop();
  if (profile && refusals === 0) exists(profile);
  const wait = RETRY[Math.min(refusals, RETRY.length - 1)];
  refusals += 1;
  retry = setTimeout(() => open(profile), wait);
}

/** An EventSource does not say why it was refused; this asks. */
async function exists(profile) {
  const answer = await fetch(address(profile), { method: 'HEAD' }).catch(() => null);
  if (answer?.status === 404 && retry) {
    stop();
    missing();
  }
}

const address = (profile) => (profile ? `/api/live?profile=${encodeURIComponent(profile)}` : '/api/live');

/** A line that died without a word: nothing arrives, and nothing says so. */
function reopenIfSilent() {
  if (!source || document.hidden || Date.now() - lastHeard < SILENCE) return;
  store.connection('lost');
  const url = new URL(source.url);
  stop();
  open(url.searchParams.get('profile'));
}

setInterval(reopenIfSilent, 1000);
