/** The values of flags, checked and typed. No message repeats a value: it may hold a password. */

import { OWN_LABELS } from '../alertmanager/payload.ts';
import {
  type CredentialsEnvironment,
  parseEndpoint,
  type SupervisorEndpoint,
} from '../rpc/endpoint.ts';
import type { ListenAddress } from '../util/address.ts';
import { InvalidUrlError, UsageError } from '../util/errors.ts';
import { type HttpUrl, parseHttpUrl } from '../util/url.ts';
import { isFreePath } from '../web/paths.ts';

export function readAddress(text: string): ListenAddress {
  const [, bracketed, plain, port] = /^(?:\[([^\]@/\s]+)\]|([^:@/\s]*)):(\d+)$/.exec(text) ?? [];
  if (port === undefined || Number(port) > 65535) {
    throw invalid(
      'web.listen-address',
      'an address such as :9876, 127.0.0.1:9876 or [::1]:9876, with a port up to 65535',
    );
  }
  return { host: bracketed ?? plain ?? '', port: Number(port) };
}

export function readTelemetryPath(text: string): string {
  if (!isFreePath(text)) {
    throw invalid(
      'web.telemetry-path',
      'a path such as /metrics that no other endpoint has, of ASCII letters, digits and -._~$&+,;=:@/',
    );
  }
  return text;
}

/** Refuses an empty name, as from a variable that was not set, and a URL, since errors show the name. */
export function readFileName(flag: string, text: string | undefined): string | undefined {
  if (text === '' || text?.includes('://')) throw invalid(flag, 'the name of a file');
  return text;
}

/** Anchored, as in Prometheus and node_exporter. */
export function readRegExp(flag: string, text: string | undefined): RegExp | undefined {
  if (text === undefined) return undefined;
  try {
    return new RegExp(`^(?:${text})$`, 'su');
  } catch {
    throw invalid(flag, 'a regular expression');
  }
}

/** `source`: the flag or variable that the URL comes from. */
export function readEndpoint(
  source: string,
  url: string,
  environment: CredentialsEnvironment,
): SupervisorEndpoint {
  try {
    return parseEndpoint(url, environment);
  } catch (error) {
    if (!(error instanceof InvalidUrlError)) throw error;
    throw new UsageError(`${source} ${error.message}${describeMissingScheme(url)}`);
  }
}

export function readAlertmanagerUrl(source: string, text: string): HttpUrl {
  const url = parseHttpUrl(text);
  if (url !== undefined) return url;
  const hint = describeMissingScheme(text);
  throw new UsageError(`${source} is not of the form http://… or https://…${hint}`);
}

/** For `HOST:PORT` and `/PATH`, which other programs accept. */
function describeMissingScheme(text: string): string {
  if (text.includes('://')) return '';
  if (text.startsWith('/')) return '; write unix:///PATH for a socket';
  return '; write http://HOST:PORT';
}

/** A URL that becomes part of a file; credentials in it would be readable by everyone. */
export function readLink(flag: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  // The text may be a template, such as https://{{ $labels.instance }}/.
  if (!/^https?:\/\/[^\s"'\\]+(?: [^"'\\\n]*)?$/.test(text) || /\/\/[^/]*@/.test(text)) {
    throw invalid(flag, 'of the form http://… or https://…, without a username and password');
  }
  return text;
}

export function readLabel(text: string): readonly [name: string, value: string] {
  const [, name, value] = /^([a-zA-Z_]\w*)=(.+)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined || OWN_LABELS.includes(name)) {
    throw invalid(
      'alertmanager.label',
      `a label such as cluster=a, other than ${OWN_LABELS.join(', ')}`,
    );
  }
  return [name, value];
}

/** A name that needs no escape in YAML, PromQL and a dashboard. */
export function readJob(text: string): string {
  if (/^[\w.:/-]+$/.test(text)) return text;
  throw invalid('job', 'the name of a job: letters, digits and the characters _ . : / -');
}

/** Each unit in milliseconds. */
export const DURATION_UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** In milliseconds; `longest` is one of the accepted forms. */
export function readDuration(flag: string, text: string, longest = '1h'): number {
  const duration = parseDuration(text);
  if (!(duration >= 1 && duration <= parseDuration(longest))) {
    throw invalid(flag, `a duration such as 500ms, 5s or 1m, from 1ms to ${longest}`);
  }
  return duration;
}

/** In milliseconds; NaN for text that is no duration. */
export function parseDuration(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? [];
  return Number(amount) * DURATION_UNITS[unit as keyof typeof DURATION_UNITS];
}

const MAX_LOG_TAIL_BYTES = 8 * 1024;

export function readLogTail(text: string): number {
  const [, amount, unit] = /^(\d{1,9})(B|KiB)?$/.exec(text) ?? [];
  const bytes = Number(amount) * (unit === 'KiB' ? 1024 : 1);
  if (!(bytes <= MAX_LOG_TAIL_BYTES)) {
    throw invalid('collector.log-tail', 'a number of bytes such as 4096 or 4KiB, up to 8KiB');
  }
  return bytes;
}

export function readChoice<Choice extends string>(
  flag: string,
  choices: readonly Choice[],
  text: string,
): Choice {
  const choice = choices.find((candidate) => candidate === text);
  if (choice === undefined) throw invalid(flag, `one of ${choices.join(', ')}`);
  return choice;
}

function invalid(flag: string, wanted: string): UsageError {
  return new UsageError(`--${flag} is not ${wanted}`);
}
