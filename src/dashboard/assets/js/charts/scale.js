// From values to pixels, and the round numbers an axis is marked with.

/** A straight scale from `[low, high]` to `[start, end]`. */
export function linear([low, high], [start, end]) {
  const factor = high === low ? 0 : (end - start) / (high - low);
  const scale = (value) => start + (value - low) * factor;
  scale.invert = (at) => (factor === 0 ? low : low + (at - start) / factor);
  return scale;
}

/** A logarithmic scale; what is below `low` lies at its start. */
export function logarithmic([low, high], range) {
  const inner = linear([Math.log10(low), Math.log10(high)], range);
  const scale = (value) => inner(Math.log10(Math.max(value, low)));
  scale.invert = (at) => 10 ** inner.invert(at);
  return scale;
}

/** The next number of the kind 1, 2, 5, 10, … that is not below `value`. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  const lead = value / power;
  return (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10) * power;
}

/** Round values from 0 to at least `high`, about `count` of them. The last one is the end of the axis. */
export function ticks(high, count = 4) {
  const step = roundUp((high > 0 ? high : 1) / count);
  const steps = Math.max(1, Math.ceil((high > 0 ? high : 1) / step - 1e-9));
  return Array.from({ length: steps + 1 }, (_, i) => Number((i * step).toPrecision(12)));
}

/** The powers of ten around the values from `low` to `high`. */
export function decades(low, high) {
  const first = Math.floor(Math.log10(low));
  const last = Math.max(first + 1, Math.ceil(Math.log10(high) - 1e-9));
  return Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i));
}

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;
const STEPS = [
  10, 30, MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
  HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY,
];

/** Round local times between two seconds, at most `count` of them, and how to write them. */
export function timeTicks(from, to, count) {
  const wanted = (to - from) / Math.max(1, count);
  const step = STEPS.find((step) => step >= wanted) ?? STEPS.at(-1);
  const offset = new Date(from * 1000).getTimezoneOffset() * MINUTE;
  const at = [];
  for (let t = Math.ceil((from - offset) / step) * step + offset; t <= to; t += step) at.push(t);
  return at.map((t) => ({ t, text: clockText(t, step) }));
}

const two = (number) => String(number).padStart(2, '0');

function clockText(t, step) {
  const time = new Date(t * 1000);
  const midnight = time.getHours() === 0 && time.getMinutes() === 0;
  if (step >= DAY || (midnight && step >= HOUR)) return `${two(time.getDate())}.${two(time.getMonth() + 1)}.`;
  const seconds = step < MINUTE ? `:${two(time.getSeconds())}` : '';
  return `${two(time.getHours())}:${two(time.getMinutes())}${seconds}`;
}
