/** Finds supervisord's own log, which no XML-RPC method reports. */

import {
  closeSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
} from 'node:fs';
import { resolve } from 'node:path';
import type { OwnCircumstances } from '../configuration/read-running.ts';
import { describeSystemError } from '../util/errno.ts';
import { endOf } from './log-end.ts';
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

const DELETED = ' (deleted)';

/** O_APPEND on every Linux architecture but alpha, mips and parisc; the flags are octal. */
const O_APPEND = 0o2000;
/** Enough for the last lines of a log. */
const TAIL_BYTES = 64 * 1024;

/** The log that supervisord's configuration names. */
export type ConfiguredLog =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'none'; readonly reason: string };

export interface LogFinderOptions {
  readonly supervisorPid: number;
  /** The path that the user has named; it is used even if it is not found yet. */
  readonly flag: string | undefined;
  readonly readConfigured: () => Promise<ConfiguredLog>;
}

/** Reading the configuration runs Python. After this many failures it is not tried again. */
const MAX_READINGS = 3;

export class LogFinder {
  readonly #options: LogFinderOptions;
  /** supervisord reads its configuration at its start and at a reload, which restarts the exporter. */
  #configured: ConfiguredLog | undefined;
  #readings = 0;
  /** Files that supervisord has open, and that are not its log. */
  readonly #rejected = new Set<string>();

  constructor(options: LogFinderOptions) {
    this.#options = options;
  }

  /** May be called again: the log may be created, or become readable. */
  async find(): Promise<LogSearch> {
    const { supervisorPid, flag } = this.#options;
    if (flag !== undefined) {
      return found({ path: resolve(flag), openAt: undefined, source: 'flag' });
    }
    const open = findDescriptor(supervisorPid);
    if (open !== undefined && !this.#rejected.has(open.path)) {
      const search = found(open);
      if (search.kind === 'found') return search;
    }
    const configured = await this.#readConfigured();
    if (configured.kind === 'none') return configured;
    return found({ path: configured.path, openAt: undefined, source: 'configuration' });
  }

  /** What was found is not supervisord's log; the configuration may name it. */
  reject({ path, source }: FoundLog): void {
    if (source === 'descriptor') this.#rejected.add(path);
  }

  /** Whether the configuration is known, and names this file. */
  async isConfigured({ path, source }: FoundLog): Promise<boolean> {
    if (source === 'configuration') return true;
    const configured = await this.#readConfigured();
    return (
      configured.kind === 'file' && (configured.path === path || isSameFile(configured.path, path))
    );
  }

  async #readConfigured(): Promise<ConfiguredLog> {
    if (this.#configured !== undefined) return this.#configured;
    const configured = await this.#options.readConfigured();
    this.#readings += 1;
    const isFinal = configured.kind === 'file' || this.#readings >= MAX_READINGS;
    if (isFinal) this.#configured = configured;
    return configured;
  }
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
    return endOf(fd, fstatSync(fd).size, TAIL_BYTES).toString();
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

/**
 * As supervisord's own reader understands its configuration, which most users may read. The modules
 * are loaded only here: most exporters run as the same user as supervisord.
 */
export async function readConfiguredLog(
  supervisorPid: number,
  own: OwnCircumstances,
): Promise<ConfiguredLog> {
  const { readSupervisord } = await import('../configuration/supervisord-process.ts');
  const { readAs } = await import('../configuration/read-running.ts');
  const running = readSupervisord(supervisorPid);
  if (running === undefined) {
    return { kind: 'none', reason: 'the parent is not supervisord, or /proc does not show it' };
  }
  const reading = await readAs(running, undefined, own);
  if (reading.kind !== 'accepted') {
    return { kind: 'none', reason: `its configuration cannot be read: ${reading.reason}` };
  }
  const { logfile } = reading.configuration;
  if (logfile === 'syslog') return { kind: 'none', reason: 'supervisord logs to syslog' };
  return { kind: 'file', path: logfile };
}

function attempt<Result>(action: () => Result): Result | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
