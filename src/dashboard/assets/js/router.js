// The address of what is seen: /dashboard/PROFILE?tab=…&chain=…&provider=…&request=…

const FIELDS = ['tab', 'chain', 'provider', 'request'];
const listeners = new Set();

/** Where we are: `{ profile, tab, chain, provider, request }`, `null` for what is not said, `overview` for no tab. */
export function current() {
  const [, , profile] = location.pathname.split('/');
  const query = new URLSearchParams(location.search);
  const place = { profile: profile ? decodeURIComponent(profile) : null };
  for (const field of FIELDS) place[field] = query.get(field) || null;
  place.tab ??= 'overview';
  return place;
}

/** The address of the current place with `change` applied. */
export function href(change = {}) {
  const place = { ...current(), ...change };
  const query = new URLSearchParams();
  for (const field of FIELDS) {
    if (place[field] && !(field === 'tab' && place.tab === 'overview')) query.set(field, place[field]);
  }
  const path = place.profile ? `/dashboard/${encodeURIComponent(place.profile)}` : '/dashboard';
  return query.size ? `${path}?${query}` : path;
}

/**
 * Goes there: `go({ tab: 'decisions', request: id })`. What is not said stays as it is; `null` takes it away.
 * `replace` leaves no step in the history.
 */
export function go(change, { replace = false } = {}) {
  const address = href(change);
  if (address === location.pathname + location.search) return;
  history[replace ? 'replaceState' : 'pushState'](null, '', address);
  tell();
}

/** Calls `fn(place)` after each change of place. Returns what ends it. */
export function onPlace(fn) {
  listeners.add(fn);
  return () => listeners.delete(fn);
}

function tell() {
  const place = current();
  for (const fn of [...listeners]) fn(place);
}

addEventListener('popstate', tell);

export const router = { current, href, go, on: onPlace };
