/** Durations as Go writes them (time.ParseDuration): `1s`, `1m30s`, `0`. */

const MILLISECONDS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1e3,
  m: 60e3,
  h: 3600e3,
};

const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|\u00b5s|ms|s|m|h)/g;

/** Milliseconds; undefined for what is no duration, or a negative one. */
export function parseGoDuration(text: string): number | undefined {
  if (text === '0') return 0;
  const parts = [...text.matchAll(PART)];
  if (text === '' || parts.map(([part]) => part).join('') !== text) return undefined;
  return parts.reduce(
    (total, [, amount, unit = '']) => total + Number(amount) * (MILLISECONDS[unit] ?? Number.NaN),
    0,
  );
}
