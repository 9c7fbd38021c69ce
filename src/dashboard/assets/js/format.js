// Figures and names as people read them. Nothing known is a dash.

export const NOTHING = '–';

const whole = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 0 });
const known = (value) => typeof value === 'number' && Number.isFinite(value);

/** 1,234,567. */
export const integer = (value) => (known(value) ? whole.format(value) : NOTHING);

/** Three figures or so: 0.42, 7.3, 81, 1.2k, 3.4M. */
export function compact(value) {
  if (!known(value)) return NOTHING;
  const size = Math.abs(value);
  if (size >= 1e9) return `${trim(value / 1e9)}G`;
  if (size >= 1e6) return `${trim(value / 1e6)}M`;
  if (size >= 1e4) return `${trim(value / 1e3)}k`;
  return size >= 1000 ? whole.format(value) : trim(value);
}

function trim(value) {
  const size = Math.abs(value);
  return String(Number(value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2)));
}

/** Milliseconds: 0.42 ms, 12 ms, 3.1 s. */
export function ms(value) {
  if (!known(value)) return NOTHING;
  if (value >= 10_000) return `${(value / 1000).toFixed(0)} s`;
  if (value >= 1000) return `${(value / 1000).toFixed(1)} s`;
  return `${value >= 10 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toFixed(2)} ms`;
}

/** Percent as given, with one decimal where it says something: 99.7 %, 100 %. */
export function percent(value) {
  if (!known(value)) return NOTHING;
  // Never rounded up to the whole: 99.97 % is not 100 %.
  const shown = value < 100 ? Math.min(99.9, Number(value.toFixed(1))) : 100;
  return `${Number.isInteger(shown) ? shown : shown.toFixed(1)} %`;
}

/** How long ago or how long still: 8 s, 4 min, 3 h, 2 d. */
export function duration(milliseconds) {
  if (!known(milliseconds)) return NOTHING;
  const seconds = Math.max(0, milliseconds / 1000);
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** 1.4 GiB. */
export function bytes(value) {
  if (!known(value)) return NOTHING;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let step = 0;
  let rest = value;
  while (rest >= 1024 && step < units.length - 1) {
    rest /= 1024;
    step += 1;
  }
  return `${step === 0 ? rest : trim(rest)} ${units[step]}`;
}

const two = (value) => String(value).padStart(2, '0');

/** A moment (milliseconds since 1970) as HH:MM:SS of the viewer's clock. */
export function clock(moment) {
  const at = new Date(moment);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** A moment as YYYY-MM-DD HH:MM:SS of the viewer's clock. */
export function date(moment) {
  const at = new Date(moment);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock(moment)}`;
}

/** The first `length` characters, and … where there are more. */
export const cut = (name, length = 14) => (name && name.length > length ? `${name.slice(0, length - 1)}…` : (name ?? ''));

const STRATEGIES = { load_balanced: 'Load Balanced', latency_weighted: 'Latency Weighted', fastest: 'Fastest', priority: 'Priority' };

/** `latency_weighted` as Latency Weighted. */
export const strategy = (name) => STRATEGIES[name] ?? words(name);

/** `rate_limited` as Rate limited. */
export function words(name) {
  const spaced = String(name ?? '').replaceAll('_', ' ').replaceAll('-', ' ');
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

/** Two letters for a name: `Alchemy` Al, `llama-nodes` LN. */
export function monogram(name) {
  const parts = String(name ?? '?').split(/[\s_\-./]+/).filter(Boolean);
  if (parts.length > 1) return (parts[0][0] + parts[1][0]).toUpperCase();
  const [first = '?', second = ''] = parts[0] ?? '';
  return first.toUpperCase() + second.toLowerCase();
}
