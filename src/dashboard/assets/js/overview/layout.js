// Where chains and providers stand in the picture. Pure: the same input gives the same picture in every browser.

export const WIDTH = 4000;
export const HEIGHT = 3000;
/** Radius of a provider's node. */
export const NODE = 13;

const RADII = { xl: 100, lg: 87, md: 73, sm: 65, none: 59 };
const SIZES = Object.keys(RADII);
const ORBIT = 32;
const GOLDEN_ANGLE = 2.39996;
const SPACING = 130;
const JITTER_ANGLE = Math.PI / 13;
const JITTER_DISTANCE = 15;
/** Free space that two neighbouring groups keep for their labels. */
const GAP = 40;

/**
 * Places chains on a golden-angle spiral, the biggest and best served in its middle, and their providers around them.
 * `chains`: `{ key, size }`; `providersOf(key)`: `[{ key }]`. Gives `chains` (key to `{ x, y, radius, reach }`; its providers are within its reach) and
 * `providers` (key to `{ x, y, chain }`).
 */
export function layout(chains, providersOf) {
  const groups = chains.map((chain) => {
    const providers = [...providersOf(chain.key)].sort((a, b) => (a.key < b.key ? -1 : 1));
    const radius = RADII[chain.size] ?? RADII.none;
    return { key: chain.key, size: SIZES.indexOf(chain.size in RADII ? chain.size : 'none'), providers, radius, reach: radius + ORBIT + NODE };
  });
  groups.sort((a, b) => a.size - b.size || b.providers.length - a.providers.length || (a.key < b.key ? -1 : 1));

  const placed = { chains: new Map(), providers: new Map() };
  const centres = [];
  groups.forEach((group, i) => {
    const centre = free(i, group.reach, centres);
    centres.push({ ...centre, reach: group.reach });
    placed.chains.set(group.key, { ...centre, radius: group.radius, reach: group.reach + JITTER_DISTANCE });
    orbit(group, centre, placed.providers);
  });
  return placed;
}

/** The place of the spiral's `i`th turn, moved outwards until nobody stands there. */
function free(i, reach, centres) {
  const angle = i * GOLDEN_ANGLE;
  for (let distance = SPACING * Math.sqrt(i); ; distance += 8) {
    const [x, y] = [WIDTH / 2 + distance * Math.cos(angle), HEIGHT / 2 + distance * Math.sin(angle)];
    if (centres.every((other) => Math.hypot(x - other.x, y - other.y) >= reach + other.reach + GAP)) return { x, y };
  }
}

function orbit({ key: chain, providers, radius }, centre, into) {
  const step = (2 * Math.PI) / Math.max(1, providers.length);
  // Never so far that two neighbours touch.
  const room = Math.max(0, step - (2.4 * NODE) / (radius + ORBIT));
  const swing = Math.min(JITTER_ANGLE, room / 2);
  providers.forEach(({ key }, i) => {
    const angle = -Math.PI / 2 + i * step + swing * jitter(key);
    const distance = radius + ORBIT + (JITTER_DISTANCE / 2) * (jitter(`${key}~`) + 1);
    into.set(key, { chain, angle, x: centre.x + distance * Math.cos(angle), y: centre.y + distance * Math.sin(angle) });
  });
}

/** A number from -1 to 1 that belongs to the name (FNV-1a). */
function jitter(name) {
  let hash = 0x811c9dc5;
  for (const character of name) hash = Math.imul(hash ^ character.codePointAt(0), 0x01000193);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  return ((hash ^ (hash >>> 13)) >>> 0) / 0x7fffffff - 1;
}

/** The rectangle around everything: `{ x, y, width, height }`. */
export function bounds({ chains }) {
  const edges = [...chains.values()];
  if (!edges.length) return { x: WIDTH / 2, y: HEIGHT / 2, width: 0, height: 0 };
  const left = Math.min(...edges.map(({ x, reach }) => x - reach));
  const top = Math.min(...edges.map(({ y, reach }) => y - reach));
  const right = Math.max(...edges.map(({ x, reach }) => x + reach));
  const bottom = Math.max(...edges.map(({ y, reach }) => y + reach));
  return { x: left, y: top, width: right - left, height: bottom - top };
}
