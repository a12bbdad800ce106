/** Finds supervisord's own log, which no XML-RPC method reports. */

import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { describeSystemError } from '../util/errno.ts';
import { parseLogLine } from './log-lines.ts';

export interface FoundLog {
  readonly path: string;
  /** Where to open a file that no longer has its path; undefined: at `path`. */
  readonly openAt: string | undefined;
  /**
   * How it was found. `descriptor`: the log of a process is opened in the same way.
   * `configuration`: it may be that of another supervisord.
   */
  readonly source: 'flag' | 'descriptor' | 'configuration';
}

export type LogSearch =
  | { readonly kind: 'found'; readonly log: FoundLog }
  | { readonly kind: 'none'; readonly reason: string };

/** As options.py of Supervisor searches; those without a slash are relative to its working directory. */
const CONFIGURATIONS = [
  'supervisord.conf',
  'etc/supervisord.conf',
  '/etc/supervisord.conf',
  '/etc/supervisor/supervisord.conf',
];
/** Short options of supervisord that take a value (options.py, ServerOptions). */
const OPTIONS_WITH_VALUE = 'cdumlyzejiqa';
const DEFAULT_LOG = 'supervisord.log';
const DELETED = ' (deleted)';

/** O_APPEND on every Linux architecture but alpha, mips and parisc; the flags are octal. */
const O_APPEND = 0o2000;
/** Enough for the last lines of a log. */
const TAIL_BYTES = 64 * 1024;

/** `flag`: the path that the user has named; it is used even if it is not found yet. */
export function findLog(supervisord: number, flag: string | undefined): LogSearch {
  if (flag !== undefined) {
    return found({ path: resolve(flag), openAt: undefined, source: 'flag' });
  }
  const open = findDescriptor(supervisord);
  if (open !== undefined) return found(open);
  const path = findConfigured(supervisord);
  if (path === undefined) {
    return {
      kind: 'none',
      reason: "neither supervisord's descriptors nor its configuration name it",
    };
  }
  return found({ path, openAt: undefined, source: 'configuration' });
}

function found(log: FoundLog): LogSearch {
  const reason = whyNotALog(log.openAt ?? log.path);
  return reason === undefined ? { kind: 'found', log } : { kind: 'none', reason };
}

/** Why a file is not a log of supervisord; undefined if it may be one. An empty file may be one. */
function whyNotALog(path: string): string | undefined {
  try {
    if (!statSync(path).isFile()) return `${path} is not a regular file`;
    const lines = tailOf(path).split('\n');
    const isLog = lines.length === 1 || lines.some((line) => parseLogLine(line) !== undefined);
    return isLog ? undefined : `${path} has no line of supervisord`;
  } catch (error) {
    return `${path}: ${describeSystemError(error)}`;
  }
}

/** The text that the file ends with. Throws system errors. */
export function tailOf(path: string): string {
  const fd = openSync(path, 'r');
  try {
    const { size } = statSync(path);
    const buffer = Buffer.alloc(Math.min(size, TAIL_BYTES));
    const length = readSync(fd, buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString('utf8', 0, length);
  } finally {
    closeSync(fd);
  }
}

/**
 * supervisord opens its own log before those of its processes, so it has the lowest descriptor.
 * Only root and the same user may read the links.
 */
function findDescriptor(supervisord: number): FoundLog | undefined {
  const folder = `/proc/${supervisord}/fd`;
  const descriptors = attempt(() => readdirSync(folder)) ?? [];
  for (const fd of descriptors.map(Number).sort((a, b) => a - b)) {
    // The standard streams of a container may be files.
    if (fd < 3) continue;
    const link = `${folder}/${fd}`;
    const isLog = attempt(() => statSync(link).isFile() && isForAppending(supervisord, fd));
    const target = isLog === true ? attempt(() => readlinkSync(link)) : undefined;
    if (target === undefined) continue;
    if (!target.endsWith(DELETED) && isSameFile(link, target)) {
      return { path: target, openAt: undefined, source: 'descriptor' };
    }
    const path = target.endsWith(DELETED) ? target.slice(0, -DELETED.length) : target;
    return { path, openAt: link, source: 'descriptor' };
  }
  return undefined;
}

/** After a rotation supervisord opens its log for writing only, so that such a descriptor counts as well. */
function isForAppending(supervisord: number, fd: number): boolean {
  const info = readFileSync(`/proc/${supervisord}/fdinfo/${fd}`, 'utf8');
  const [, flags = '0'] = /^flags:\s*([0-7]+)$/m.exec(info) ?? [];
  const bits = Number.parseInt(flags, 8);
  const isWriteOnly = (bits & 0o3) === 1;
  return (bits & O_APPEND) !== 0 || isWriteOnly;
}

function isSameFile(one: string, other: string): boolean {
  const [first, second] = [one, other].map((path) => attempt(() => statSync(path)));
  return first !== undefined && first.ino === second?.ino && first.dev === second.dev;
}

/** By the command line and the configuration file; needs no more than what every user may read. */
function findConfigured(supervisord: number): string | undefined {
  const words = attempt(() => readFileSync(`/proc/${supervisord}/cmdline`, 'utf8').split('\0'));
  if (words === undefined) return undefined;
  const cwd = attempt(() => readlinkSync(`/proc/${supervisord}/cwd`)) ?? '/';
  const script = words.findIndex((word) => basename(word).includes('supervisord'));
  const options = readOptions(words.slice(script + 1));
  const given = options.get('l') ?? options.get('logfile');
  if (given !== undefined) return resolve(cwd, given);
  const named = options.get('c') ?? options.get('configuration');
  const above = dirname(dirname(words[script] ?? ''));
  const candidates =
    named === undefined
      ? [join(above, 'etc/supervisord.conf'), join(above, 'supervisord.conf'), ...CONFIGURATIONS]
      : [named];
  const path = candidates.map((each) => resolve(cwd, each)).find(existsSync);
  const text = path === undefined ? undefined : attempt(() => readFileSync(path, 'utf8'));
  if (path === undefined || text === undefined) return undefined;
  return resolve(cwd, expand(logFileIn(text) ?? DEFAULT_LOG, dirname(path)));
}

/** As getopt reads them: `-c FILE`, `-nc FILE`, `-cFILE`, `--configuration FILE`, `--configuration=FILE`. */
function readOptions(words: readonly string[]): ReadonlyMap<string, string> {
  const options = new Map<string, string>();
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? '';
    const [, long, value] = /^--([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
    if (long !== undefined) {
      options.set(long, value ?? words[index + 1] ?? '');
      continue;
    }
    const [, letter = '', attached = ''] =
      new RegExp(`^-[^-]*?([${OPTIONS_WITH_VALUE}])(.*)$`, 's').exec(word) ?? [];
    if (letter === '') continue;
    options.set(letter, attached === '' ? (words[index + 1] ?? '') : attached);
    if (attached === '') index += 1;
  }
  return options;
}

/** The last `logfile=` of [supervisord]; undefined where there is none. */
export function logFileIn(configuration: string): string | undefined {
  let section = '';
  let value: string | undefined;
  for (const line of configuration.split(/\r?\n/)) {
    section = /^\[([^\]]+)\]/.exec(line)?.[1] ?? section;
    const [, set] = /^logfile\s*[=:]\s*(.*?)(?:\s+;.*)?\s*$/i.exec(line) ?? [];
    if (section === 'supervisord' && set !== undefined && set !== '') value = set;
  }
  return value;
}

/** supervisord passes its environment on to its processes, and so to the exporter. */
function expand(value: string, here: string): string {
  const own = attempt(() => readFileSync('/proc/self/environ', 'utf8')) ?? '';
  const environment = new Map(
    own.split('\0').map((pair) => {
      const at = pair.indexOf('=');
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
  return value
    .replaceAll('%(here)s', here)
    .replaceAll(/%\(ENV_(\w+)\)s/g, (_, name: string) => environment.get(name) ?? '')
    .replace(/^~(?=\/)/, environment.get('HOME') ?? '~')
    .replaceAll('%%', '%');
}

function attempt<Result>(action: () => Result): Result | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
