/**
 * Finds supervisord's own log, makes sure that it is that of this supervisord, and follows it. Its
 * lines become evidence of exits.
 */

import type { OwnCircumstances } from '../configuration/read-running.ts';
import type { RpcClient } from '../rpc/client.ts';
import { Backoff } from '../util/backoff.ts';
import { describeSystemError } from '../util/errno.ts';
import { messageOf } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import type { LogEntry, LogEvidence } from './evidence.ts';
import { type FoundLog, LogFinder, readConfiguredLog, tailOf } from './find-log.ts';
import { type Chunk, LogRecords } from './log-records.ts';
import { LogTailer } from './log-tailer.ts';

/** A log that was not found is searched for again: it may be created, or become readable. */
const FIRST_SEARCH_MS = 1_000;
const LONGEST_SEARCH_MS = 60_000;
/** Compared with what supervisord reads of its own log. */
const COMPARED_BYTES = 200;
const COMPARISONS = 3;
/** The interval if neither the log nor supervisord in /proc can be watched. */
const READ_EVERY_MS = 100;

/** Between the start of supervisord by the kernel's clock and by the stamps of its log. */
const START_TOLERANCE_SECONDS = 1;

/** `pending`: whether the log is supervisord's is not established yet. */
export type LogTrust = 'trusted' | 'pending' | 'none';

export interface SupervisorLogOptions {
  readonly supervisorPid: number;
  /** In epoch seconds; undefined where it is not known. */
  readonly supervisorStartedAt: number | undefined;
  readonly own: OwnCircumstances;
  /** The path that the user has named; undefined: search for it. */
  readonly path: string | undefined;
  /** The process name of the exporter; undefined outside supervisord. */
  readonly ownName: string | undefined;
  /** Whether no other process is known to have this name. */
  readonly isOnlyOwnName: () => boolean;
  /** The pid of the exporter. */
  readonly ownPid: number;
  /** Undefined: supervisord has no HTTP server. */
  readonly client: RpcClient | undefined;
  readonly log: Logger;
  readonly evidence: LogEvidence;
  /** The pids of supervisord's children; empty where they cannot be read. */
  readonly children: () => ReadonlySet<number>;
  /** Whether `onWritten` has to be called as soon as a line is written. */
  readonly isWatched: boolean;
  /** Whether the log is read whenever supervisord has run, also if it cannot be watched. */
  readonly isReadAfterRuns: () => boolean;
  /** The log may have been written to. */
  readonly onWritten: () => void;
  /** The trust has been established, or has ended. */
  readonly onTrust: () => void;
  readonly signal: AbortSignal;
}

export class SupervisorLog {
  readonly #options: SupervisorLogOptions;
  readonly #records: LogRecords;
  readonly #finder: LogFinder;
  readonly #searches = new Backoff({ firstMs: FIRST_SEARCH_MS, longestMs: LONGEST_SEARCH_MS });
  #searchTimer: NodeJS.Timeout | undefined;
  #readTimer: NodeJS.Timeout | undefined;
  #tailer: LogTailer | undefined;
  #trust: LogTrust = 'pending';
  /** Why the log cannot be followed; undefined while it can. */
  #problem: string | undefined;
  /** Whether what is read was written before the exporter began to follow the log. */
  #isLookBack = false;
  /** Whether lines may be missing before the next chunk. */
  #isAfterGap = false;
  /** Whether lines were lost since that was last taken. */
  #hasLostLines = false;
  /** Whether children of supervisord are to be listed once all that was written has been read. */
  #isListDue = false;
  /** Lines that were read and not taken yet. */
  #lines: LogEntry[] = [];
  /** Whether supervisord logs starts, which it does not at loglevel=warn. */
  #logsStarts = false;
  /** Whether the log has lines of level WARN: it has none at loglevel=error. */
  #logsWarnings = false;

  constructor(options: SupervisorLogOptions) {
    this.#options = options;
    const { supervisorPid, own, path, ownName, isOnlyOwnName, signal } = options;
    this.#records = new LogRecords(ownName, isOnlyOwnName);
    this.#finder = new LogFinder({
      supervisorPid,
      flag: path,
      readConfigured: () => readConfiguredLog(supervisorPid, own),
    });
    signal.addEventListener('abort', () => this.#stop());
  }

  /** Resolves once the log is followed, or known not to be found. */
  async start(): Promise<void> {
    const { signal, isWatched } = this.#options;
    const search = await this.#finder.find();
    if (signal.aborted) return;
    if (search.kind === 'none') {
      this.#cannotFollow(search.reason);
      return;
    }
    try {
      this.#follow(search.log);
    } catch (error) {
      this.#cannotFollow(`${search.log.path}: ${describeSystemError(error)}`);
      return;
    }
    await this.#verify(search.log);
    if (isWatched) this.#tailer?.startWatching();
  }

  get trust(): LogTrust {
    return this.#trust;
  }

  /** Whether it is known that the log cannot be followed. */
  get hasProblem(): boolean {
    return this.#problem !== undefined;
  }

  /** Whether the log has a line of each start since the last gap. */
  get reportsStarts(): boolean {
    return this.#logsStarts && !this.#isAfterGap;
  }

  /** Whether supervisord's warnings are in the log. */
  get hasWarnings(): boolean {
    return this.#trust === 'trusted' && this.#logsWarnings;
  }

  /** Reads what was written since the last read. */
  read(): void {
    try {
      this.#tailer?.read();
      this.#listChildren();
    } catch (error) {
      this.#cannotFollow(describeSystemError(error));
    }
  }

  /** The lines that were read since this was last called. */
  takeLines(): readonly LogEntry[] {
    const lines = this.#lines;
    this.#lines = [];
    return lines;
  }

  /** Whether lines were lost since this was last called. */
  takeLoss(): boolean {
    const hasLostLines = this.#hasLostLines;
    this.#hasLostLines = false;
    return hasLostLines;
  }

  #stop(): void {
    clearTimeout(this.#searchTimer);
    this.#close();
  }

  #close(): void {
    clearInterval(this.#readTimer);
    this.#readTimer = undefined;
    this.#tailer?.close();
    this.#tailer = undefined;
  }

  #follow({ path, openAt }: FoundLog): void {
    const { onWritten } = this.#options;
    this.#trust = 'pending';
    this.#lines = [];
    this.#logsStarts = false;
    this.#logsWarnings = false;
    this.#isLookBack = true;
    this.#tailer = new LogTailer({
      path,
      openAt,
      onBegin: (isStartOfFile, isComplete) => {
        this.#records.begin(isStartOfFile);
        this.#isAfterGap = !isComplete;
        if (!isComplete && !this.#isLookBack) this.#linesLost();
      },
      onTruncated: () => this.#linesLost(),
      onChunk: (chunk) => this.#chunkRead(chunk),
      onChange: onWritten,
      onWatchError: (error) => this.#cannotWatch(error),
    });
    this.#isLookBack = false;
    // The log is empty as yet.
    if (this.#isAfterGap) this.#beginAt(Date.now() / 1000);
    this.#listChildren();
  }

  #beginAt(at: number): void {
    this.#options.evidence.beginAt(at);
    this.#isAfterGap = false;
    this.#gapOpened();
  }

  #gapOpened(): void {
    this.#hasLostLines = true;
    this.#isListDue = true;
  }

  /** A child that exists after a gap has no line of its end among those that were read. */
  #listChildren(): void {
    if (!this.#isListDue) return;
    this.#isListDue = false;
    const { evidence, children } = this.#options;
    evidence.childrenExist(children());
  }

  #chunkRead(chunk: Chunk): void {
    const { evidence } = this.#options;
    const { entries, firstAt } = this.#records.push(chunk);
    if (this.#isAfterGap && firstAt !== undefined) this.#beginAt(firstAt);
    for (const entry of entries) {
      if (this.#isOwnBegin(entry)) this.#logBegan();
      evidence.add(entry);
    }
    this.#logsStarts ||= entries.some((entry) => this.#isOwnStart(entry));
    this.#logsWarnings ||=
      this.#logsStarts || (!this.#isLookBack && entries.some(({ isCertain }) => isCertain));
    if (!this.#isLookBack) this.#lines.push(...entries);
  }

  /** Whether this is the line of supervisord's own begin, so that no line of its processes is earlier. */
  #isOwnBegin({ at, message, isCertain }: LogEntry): boolean {
    const { supervisorPid, supervisorStartedAt = Number.POSITIVE_INFINITY } = this.#options;
    const isOwn = message.kind === 'began' && message.pid === supervisorPid;
    // In a container each supervisord has the same pid.
    const isLater = at >= supervisorStartedAt - START_TOLERANCE_SECONDS;
    return this.#isLookBack && isCertain && isOwn && isLater;
  }

  #logBegan(): void {
    this.#options.evidence.beginAt(0);
    this.#hasLostLines = false;
    this.#isListDue = false;
    // The line has the same level as those of starts.
    this.#logsStarts = true;
  }

  /** A start from before the exporter's may be of an earlier supervisord with another log level. */
  #isOwnStart({ message, isCertain }: LogEntry): boolean {
    if (message.kind !== 'spawned' || !isCertain) return false;
    return !this.#isLookBack || message.pid === this.#options.ownPid;
  }

  /** Lines since the last read may be missing. */
  #linesLost(): void {
    this.#options.evidence.truncatedAt(Date.now() / 1000);
    this.#gapOpened();
  }

  #cannotWatch(error: unknown): void {
    const { log, isReadAfterRuns, onWritten } = this.#options;
    log.warn("supervisord's log cannot be watched; it is read every 100 ms", {
      reason: describeSystemError(error),
    });
    if (!isReadAfterRuns()) this.#readTimer ??= setInterval(onWritten, READ_EVERY_MS);
  }

  /**
   * The descriptor may be that of a process' log, whose lines the process or another supervisord
   * may have written.
   */
  async #verify(found: FoundLog): Promise<void> {
    const { signal, log } = this.#options;
    const { source, path } = found;
    const isVerified = source === 'flag' || (await this.#isOwnLog(found));
    // A read failed in the meantime and closed the tailer.
    if (signal.aborted || this.#tailer === undefined) return;
    if (!isVerified) {
      this.#finder.reject(found);
      this.#cannotFollow(`${path} could not be verified to be the log of this supervisord`);
      return;
    }
    this.#trust = 'trusted';
    if (this.#problem !== undefined) log.info("supervisord's log can be followed", { path });
    this.#problem = undefined;
    this.#searches.succeed();
    this.#options.onTrust();
  }

  /**
   * What supervisord reads of its log is certain. A process knows its own pid, so that a log that
   * names pids of supervisord's children has to be the configured one as well.
   */
  async #isOwnLog(log: FoundLog): Promise<boolean> {
    const { evidence, children } = this.#options;
    const comparison = await this.#compare(log.openAt ?? log.path);
    if (comparison === 'same') return true;
    const pids = children();
    const isLikely = comparison === 'both empty' || evidence.pids().some((pid) => pids.has(pid));
    return isLikely && (await this.#finder.isConfigured(log));
  }

  /** Compares the file with what supervisord reads of its log, which may grow in between. */
  async #compare(path: string): Promise<'same' | 'both empty' | undefined> {
    const { client, log } = this.#options;
    if (client === undefined) return undefined;
    try {
      for (let comparison = 0; comparison < COMPARISONS; comparison++) {
        const read = String(await client.call('supervisor.readLog', [-COMPARED_BYTES, 0]));
        const tail = tailOf(path);
        if (read === '' && tail === '') return 'both empty';
        // The first character may have been cut.
        if (read.length > 1 && tail.includes(read.slice(1))) return 'same';
      }
    } catch (error) {
      log.debug?.("supervisord's log was not compared", { reason: messageOf(error) });
    }
    return undefined;
  }

  /** Logged once for each reason. */
  #cannotFollow(reason: string): void {
    if (this.#problem !== reason) {
      this.#options.log.warn(
        "supervisord's log cannot be followed: some exit reasons will not be known",
        { reason },
      );
    }
    this.#problem = reason;
    this.#close();
    this.#trust = 'none';
    this.#options.onTrust();
    this.#searchTimer = setTimeout(() => void this.start(), this.#searches.fail());
  }
}
