/** Formats times and amounts for people. */

/** UTC minus local time in minutes at an epoch time in seconds, as Date.getTimezoneOffset returns it. */
export type ZoneOffset = (at: number) => number;

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `42s`, `12m 05s`, `5h 12m`, `3d 4h`. A negative duration, after the clock was set back, is `0s`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < MINUTE) return `${whole}s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)}m ${pad(whole % MINUTE)}s`;
  if (whole < DAY)
    return `${Math.floor(whole / HOUR)}h ${pad(Math.floor((whole % HOUR) / MINUTE))}m`;
  return `${Math.floor(whole / DAY)}d ${Math.floor((whole % DAY) / HOUR)}h`;
}

/** `42s`, `12m`, `5h`, `3d`: the largest unit only. */
export function shortDuration(seconds: number): string {
  return duration(seconds).split(' ')[0] ?? '';
}

/** `1 event`, `2 events`. */
export function plural(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** `just now`, `12m ago`: the largest unit only. */
export function ago(seconds: number): string {
  if (seconds < 1) return 'just now';
  return `${shortDuration(seconds)} ago`;
}

/** The time of day, preceded by the date unless it is that of `now`. */
export function clock(
  at: number,
  now: number,
  offset: ZoneOffset,
  options: { readonly millis?: boolean } = {},
): string {
  const local = inZone(at, offset);
  const time = local.slice(11, options.millis ? 23 : 19);
  return dayOf(at, offset) === dayOf(now, offset) ? time : `${local.slice(0, 10)} ${time}`;
}

function dayOf(at: number, offset: ZoneOffset): number {
  return Math.floor((at - offset(at) * MINUTE) / DAY);
}

/** Date and time in full. */
export function fullTime(at: number, offset: ZoneOffset): string {
  return inZone(at, offset).replace('T', ' ').replace(/Z$/, '');
}

/** `UTC+02:00` */
export function zoneName(at: number, offset: ZoneOffset): string {
  const minutes = -offset(at);
  if (minutes === 0) return 'UTC';
  const size = Math.abs(minutes);
  return `UTC${minutes < 0 ? '-' : '+'}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
}

/** RFC 3339, for machines. */
export function isoTime(at: number): string {
  return inZone(at, () => 0);
}

/** Of one core, such as `0.3%`. */
export function percent(cores: number): string {
  return `${(cores * 100).toFixed(1)}%`;
}

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

export function bytes(amount: number): string {
  let value = amount;
  let unit = 0;
  for (; value >= 1024 && unit < BYTE_UNITS.length - 1; unit++) value /= 1024;
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${BYTE_UNITS[unit]}`;
}

/** The largest time that Date can represent (ECMA-262, section 21.4.1.1). */
const MAX_DATE_MS = 8.64e15;

function inZone(at: number, offset: ZoneOffset): string {
  const ms = Math.floor(at * 1000) - offset(at) * MINUTE * 1000;
  return new Date(Math.abs(ms) <= MAX_DATE_MS ? ms : 0).toISOString();
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
