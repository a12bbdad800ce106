/** Durations as Go writes them (time.ParseDuration): `1s`, `1m30s`, `+1s`, `0`. */

const MILLISECONDS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  '\u00b5s': 1e-3,
  '\u03bcs': 1e-3,
  ms: 1,
  s: 1e3,
  m: 60e3,
  h: 3600e3,
};

const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/g;

/** Go counts nanoseconds in 63 bits. */
const LONGEST_MS = 2 ** 63 / 1e6;

/** Milliseconds, negative after a minus sign; undefined for text that is no duration. */
export function parseGoDuration(text: string): number | undefined {
  const [, sign = '', amounts = ''] = /^([-+]?)(.*)$/s.exec(text) ?? [];
  if (amounts === '0') return 0;
  const parts = [...amounts.matchAll(PART)];
  if (amounts === '' || parts.map(([part]) => part).join('') !== amounts) return undefined;
  const total = parts.reduce(
    (sum, [, amount, unit = '']) => sum + Number(amount) * (MILLISECONDS[unit] ?? Number.NaN),
    0,
  );
  if (total > LONGEST_MS) return undefined;
  return sign === '-' ? -total : total;
}
