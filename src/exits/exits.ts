/**
 * Exits: notices them before their event and wakes supervisord, looks up their reasons, and
 * watches for exits that supervisord does not report.
 *
 * A line of the log, or what /proc shows, wakes and proposes a reason. The event remains the
 * only source of states and counters.
 */

import type { OwnCircumstances } from '../configuration/read-running.ts';
import type { Change, ChangeFeed } from '../processes/changes.ts';
import type { LogTail } from '../processes/log-tail.ts';
import { livePid, type Process } from '../processes/process.ts';
import type { ProcessTable } from '../processes/table.ts';
import { RpcClient } from '../rpc/client.ts';
import type { SupervisorEndpoint } from '../rpc/endpoint.ts';
import { displayName, keyOf, type ProcessId } from '../supervisor/process-id.ts';
import { signalName } from '../supervisor/signals.ts';
import { Backoff } from '../util/backoff.ts';
import type { CollectorStats } from '../util/collector-stats.ts';
import { describeSystemError } from '../util/errno.ts';
import { messageOf } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import { type LogEntry, LogEvidence } from './evidence.ts';
import { type FoundLog, LogFinder, readConfiguredLog, tailOf } from './find-log.ts';
import type { LoggedReason, LogMessage } from './log-lines.ts';
import { type Chunk, LogRecords } from './log-records.ts';
import { LogTailer } from './log-tailer.ts';
import { LogTails } from './log-tails.ts';
import { Namesakes } from './namesakes.ts';
import { OomKills } from './oom-kills.ts';
import { type OpenOomSources, openOomSources } from './oom-sources.ts';
import { type EndedProcess, ProcWatch } from './proc-watch.ts';
import { ExitReasons, type LogTrust, type MissingEvents } from './reasons.ts';
import { Waker } from './wake.ts';

/** A log that was not found is searched for again: it may be created, or become readable. */
const FIRST_SEARCH_MS = 1_000;
const LONGEST_SEARCH_MS = 60_000;
/** Compared with what supervisord reads of its own log. */
const COMPARED_BYTES = 200;
const COMPARISONS = 3;
/** Lines that supervisord logs meanwhile are handled in further rounds, which a busy log must not prolong. */
const MAX_ROUNDS = 4;
/** The interval if neither the log nor supervisord in /proc can be watched. */
const READ_EVERY_MS = 100;

export interface ExitsOptions {
  readonly table: ProcessTable;
  readonly changes: ChangeFeed;
  readonly supervisorPid: number;
  readonly own: OwnCircumstances;
  /** Undefined: supervisord has no HTTP server. */
  readonly endpoint: SupervisorEndpoint | undefined;
  /** Of each XML-RPC call. */
  readonly timeoutMs: number;
  /** Whether to wake supervisord when a process exits. */
  readonly nudge: boolean;
  /** Whether to look up exit reasons. */
  readonly reasons: boolean;
  /** Bytes to keep from the end of a process' own log at an unexpected exit or failed start; 0: none. */
  readonly logTailBytes: number;
  /** The path of supervisord's log; undefined: search for it. */
  readonly logFile: string | undefined;
  /** The process name of the exporter; undefined outside supervisord. */
  readonly ownName: string | undefined;
  /** The pid of the exporter. */
  readonly ownPid: number;
  readonly log: Logger;
  /** Whether the log level lets a line of level info through. */
  readonly logsInfo: boolean;
  readonly missingEvents: () => MissingEvents;
  readonly requestResync: () => void;
  readonly signal: AbortSignal;
}

export interface ExitsStats {
  /** Times that supervisord was woken. */
  readonly nudges: number;
  readonly collector: CollectorStats;
}

export class Exits {
  readonly #options: ExitsOptions;
  readonly #evidence = new LogEvidence();
  readonly #records: LogRecords;
  readonly #client: RpcClient | undefined;
  readonly #reasons: ExitReasons | undefined;
  readonly #oomSources: OpenOomSources | undefined;
  readonly #oomKills: OomKills | undefined;
  readonly #logTails: LogTails | undefined;
  readonly #waker: Waker;
  readonly #watch: ProcWatch;
  #tailer: LogTailer | undefined;
  #trust: LogTrust = 'pending';
  /** Why the log cannot be followed; undefined while it can. */
  #logProblem: string | undefined;
  readonly #finder: LogFinder;
  readonly #searches = new Backoff({ firstMs: FIRST_SEARCH_MS, longestMs: LONGEST_SEARCH_MS });
  #searchTimer: NodeJS.Timeout | undefined;
  #readTimer: NodeJS.Timeout | undefined;
  /** Whether /proc shows that supervisord has run; the log is read each time. */
  #isProcWatched = false;
  /** Whether what is read was written before the exporter began to follow the log. */
  #isLookBack = false;
  /** Whether lines are missing before the next chunk. */
  #isAfterGap = false;
  /** Whether lines were lost since a marker was requested. */
  #hasNewGap = false;
  #isAskingAfterGap = false;
  /** Lines that were read and not handled yet. */
  #written: LogEntry[] = [];
  /** Whether supervisord logs starts, which it does not at loglevel=warn. */
  #logsStarts = false;
  /** Whether the log has lines of level WARN: it has none at loglevel=error. */
  #logsWarnings = false;

  constructor(options: ExitsOptions) {
    this.#options = options;
    const { table, changes, endpoint, timeoutMs, log, logsInfo, supervisorPid } = options;
    const namesakes = new Namesakes(changes);
    this.#records = new LogRecords(
      options.ownName,
      () => namesakes.of(options.ownName ?? '').length === 1,
    );
    this.#client = endpoint && new RpcClient(endpoint, { timeoutMs, keepOpen: true });
    this.#waker = new Waker({ endpoint, log, logsInfo });
    this.#finder = new LogFinder({
      supervisorPid,
      flag: options.logFile,
      readConfigured: () => readConfiguredLog(supervisorPid, options.own),
    });
    if (options.reasons) {
      this.#oomSources = openOomSources();
      this.#oomKills = this.#oomSources && new OomKills(this.#oomSources);
      const oomKills = this.#oomKills;
      if (oomKills !== undefined)
        changes.subscribe((change) => followRuns(change, table, oomKills));
      this.#reasons = new ExitReasons({
        table,
        changes,
        namesakes,
        log,
        evidence: this.#evidence,
        client: this.#client,
        readLog: () => this.#readLog(),
        reportsStarts: () => this.#reportsStarts,
        oomKills,
        missingEvents: options.missingEvents,
        onAskEarlyFailed: () => this.#waker.wake(),
      });
      if (options.logTailBytes > 0) {
        this.#logTails = new LogTails({
          table,
          changes,
          namesakes,
          log,
          supervisorPid,
          maxBytes: options.logTailBytes,
          evidence: this.#evidence,
          readLog: () => this.#readLog() === 'trusted' && this.#reportsStarts,
          client: this.#client,
        });
      }
    }
    this.#watch = new ProcWatch({
      table,
      supervisorPid,
      onTick: () => this.#oomKills?.tick(!this.#watch.isSilent),
      onRun: () => this.#readLog(),
      onEnded: (ended) => this.#processesEnded(ended),
      requestResync: options.requestResync,
    });
    options.signal.addEventListener('abort', () => this.#stop());
  }

  /** Resolves once the log is followed, or known not to be found. */
  async start(): Promise<void> {
    const { nudge, reasons } = this.#options;
    this.#isProcWatched = this.#watch.start();
    this.#oomSources?.watch(() => this.#oomKills?.read());
    if (nudge || reasons) await this.#search();
  }

  /** An event of type REMOTE_COMMUNICATION with the type of markers was received. */
  markerReceived(data: string): void {
    this.#reasons?.markerReceived(data);
  }

  /** supervisord has reported that it is `when`, in epoch seconds. */
  tickReceived(when: number): void {
    this.#reasons?.tickReceived(when);
  }

  get stats(): ExitsStats {
    const success = this.#logProblem === undefined ? this.#reasons?.success : false;
    const durationSeconds = this.#reasons?.durationSeconds;
    return { nudges: this.#waker.count, collector: { success, durationSeconds } };
  }

  /**
   * Whether a process has ended without an event, and a resync has not corrected the table;
   * undefined where that cannot be read.
   */
  isUnreported(process: Readonly<Process>): boolean | undefined {
    return this.#watch.isUnreported(process);
  }

  /** Whether OOM kills of processes can be detected. */
  get countsOomKills(): boolean {
    return this.#oomKills !== undefined;
  }

  /** Whether supervisord's log reports kills at a stop. */
  get countsStopKills(): boolean {
    const isLogged = this.#logsWarnings && this.#reasons?.hasMissedLine === false;
    return this.#trust === 'trusted' && isLogged;
  }

  /** The end of the process' log at its last unexpected exit or failed start, if one was kept. */
  logTailOf(id: ProcessId): LogTail | undefined {
    return this.#logTails?.of(id);
  }

  /** Whether supervisord has not run for 5 s; undefined where that cannot be read. */
  get stalled(): boolean | undefined {
    return this.#watch.isStalled;
  }

  #stop(): void {
    clearTimeout(this.#searchTimer);
    this.#watch.stop();
    this.#waker.stop();
    this.#reasons?.stop();
    this.#oomKills?.stop();
    this.#oomSources?.close();
    this.#client?.close();
    this.#closeLog();
  }

  #closeLog(): void {
    clearInterval(this.#readTimer);
    this.#readTimer = undefined;
    this.#tailer?.close();
    this.#tailer = undefined;
  }

  async #search(): Promise<void> {
    const { signal } = this.#options;
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
    if (this.#watchesLog) this.#tailer?.startWatching();
  }

  /** Whether lines of exits have to be handled at once. */
  get #watchesLog(): boolean {
    return this.#options.nudge || this.#logTails !== undefined;
  }

  get #reportsStarts(): boolean {
    return this.#logsStarts && !this.#isAfterGap;
  }

  #follow({ path, openAt }: FoundLog): void {
    this.#trust = 'pending';
    this.#written = [];
    this.#isLookBack = true;
    this.#tailer = new LogTailer({
      path,
      openAt,
      onBegin: (isStartOfFile, isComplete) => {
        this.#records.begin(isStartOfFile);
        this.#isAfterGap = !isComplete;
        if (!isComplete && !this.#isLookBack) this.#linesLost();
        if (isComplete && this.#isLookBack) this.#evidence.beginAt(0);
      },
      onTruncated: () => this.#linesLost(),
      onChunk: (chunk) => this.#chunkRead(chunk),
      onChange: () => this.#readLog(),
      onWatchError: (error) => this.#cannotWatch(error),
    });
    this.#isLookBack = false;
  }

  #chunkRead(chunk: Chunk): void {
    const { entries, firstAt } = this.#records.push(chunk);
    if (this.#isAfterGap && firstAt !== undefined) {
      this.#evidence.beginAt(firstAt, this.#children());
      this.#isAfterGap = false;
      this.#hasNewGap = true;
    }
    for (const entry of entries) this.#evidence.add(entry);
    this.#logsStarts ||= entries.some((entry) => this.#isOwnStart(entry));
    this.#logsWarnings ||=
      this.#logsStarts || (!this.#isLookBack && entries.some(({ isCertain }) => isCertain));
    if (!this.#isLookBack) this.#written.push(...entries);
  }

  /** Lines since the last read may be missing. */
  #linesLost(): void {
    this.#evidence.truncatedAt(Date.now() / 1000, this.#children());
    this.#hasNewGap = true;
  }

  /** The pids of supervisord's children; empty where they cannot be read. */
  #children(): ReadonlySet<number> {
    return this.#isProcWatched ? this.#watch.childPids() : new Set();
  }

  #cannotWatch(error: unknown): void {
    this.#options.log.warn("supervisord's log cannot be watched; it is read every 100 ms", {
      reason: describeSystemError(error),
    });
    if (this.#isProcWatched) return;
    this.#readTimer ??= setInterval(() => this.#readLog(), READ_EVERY_MS);
  }

  /**
   * The descriptor may be that of a process' log, whose lines the process or another supervisord
   * may have written.
   */
  async #verify(log: FoundLog): Promise<void> {
    const { source, path } = log;
    const isVerified = source === 'flag' || (await this.#isOwnLog(log));
    // A read failed in the meantime and closed the tailer.
    if (this.#options.signal.aborted || this.#tailer === undefined) return;
    if (isVerified) {
      this.#trust = 'trusted';
      if (this.#logProblem !== undefined) {
        this.#options.log.info("supervisord's log can be followed", { path });
      }
      this.#logProblem = undefined;
      this.#searches.succeed();
      this.#reasons?.trustEstablished();
    } else {
      this.#finder.reject(log);
      this.#cannotFollow(`${path} could not be verified to be the log of this supervisord`);
    }
  }

  /**
   * What supervisord reads of its log is certain. A process knows its own pid, so that a log that
   * names pids of supervisord's children has to be the configured one as well.
   */
  async #isOwnLog(log: FoundLog): Promise<boolean> {
    const comparison = await this.#compare(log.openAt ?? log.path);
    if (comparison === 'same') return true;
    const children = this.#children();
    const isLikely =
      comparison === 'both empty' || this.#evidence.pids().some((pid) => children.has(pid));
    return isLikely && (await this.#finder.isConfigured(log));
  }

  /** Compares the file with what supervisord reads of its log, which may grow in between. */
  async #compare(path: string): Promise<'same' | 'both empty' | undefined> {
    if (this.#client === undefined) return undefined;
    try {
      for (let comparison = 0; comparison < COMPARISONS; comparison++) {
        const read = String(await this.#client.call('supervisor.readLog', [-COMPARED_BYTES, 0]));
        const tail = tailOf(path);
        if (read === '' && tail === '') return 'both empty';
        // The first character may have been cut.
        if (read.length > 1 && tail.includes(read.slice(1))) return 'same';
      }
    } catch (error) {
      this.#options.log.debug?.("supervisord's log was not compared", {
        reason: messageOf(error),
      });
    }
    return undefined;
  }

  /** Logged once for each reason. */
  #cannotFollow(reason: string): void {
    if (this.#logProblem !== reason) {
      this.#options.log.warn(
        "supervisord's log cannot be followed: some exit reasons will not be known",
        { reason },
      );
    }
    this.#logProblem = reason;
    this.#closeLog();
    this.#trust = 'none';
    this.#reasons?.trustEstablished();
    this.#searchTimer = setTimeout(() => void this.#search(), this.#searches.fail());
  }

  #readLog(): LogTrust {
    if (this.#tailer === undefined) return this.#trust;
    try {
      this.#tailer.read();
      this.#handleWritten(this.#tailer);
    } catch (error) {
      this.#cannotFollow(describeSystemError(error));
    }
    return this.#trust;
  }

  /** The logs of processes are read before supervisord is woken, because it may then restart them. */
  #handleWritten(tailer: LogTailer): void {
    const entries = this.#keepLogTails(tailer);
    // The call, which reads the log once more, wakes supervisord as well.
    if (this.#isAskingAfterGap || this.#askAfterGap()) return;
    this.#wakeFor(entries);
  }

  /** Returns the lines that were read, of which tails are kept. */
  #keepLogTails(tailer: LogTailer): readonly LogEntry[] {
    const handled: LogEntry[] = [];
    for (let round = 0; this.#written.length > 0; round++) {
      const entries = this.#written;
      this.#written = [];
      handled.push(...entries);
      if (!this.#reportsStarts) this.#logTails?.logged(entries);
      else if (round < MAX_ROUNDS) this.#keepLogTailsOf(entries, tailer);
    }
    return handled;
  }

  #keepLogTailsOf(entries: readonly LogEntry[], tailer: LogTailer): void {
    const tails = this.#logTails?.read(entries) ?? [];
    if (tails.length === 0) return;
    tailer.read();
    if (this.#reportsStarts) this.#logTails?.keep(tails);
  }

  /**
   * If lines were lost, asks about the processes whose line may be among them, before anything
   * else makes supervisord restart them. Returns whether the call, which wakes it, has begun.
   */
  #askAfterGap(): boolean {
    if (!this.#hasNewGap) return false;
    this.#hasNewGap = false;
    const children = this.#children();
    const gone = [...this.#options.table.values()].flatMap((process) => {
      const pid = livePid(process);
      return pid === undefined || children.has(pid) ? [] : [process.id];
    });
    const areLost = children.size > 0 && gone.length > 0;
    this.#isAskingAfterGap = true;
    const isAsked = areLost && this.#reasons?.askEarly(gone) === true;
    this.#isAskingAfterGap = false;
    this.#reasons?.requestMarker();
    return isAsked;
  }

  /** A start from before the exporter's may be of an earlier supervisord with another log level. */
  #isOwnStart({ message, isCertain }: LogEntry): boolean {
    if (message.kind !== 'spawned' || !isCertain) return false;
    return !this.#isLookBack || message.pid === this.#options.ownPid;
  }

  /** Wakes supervisord for lines whose event is still to come. */
  #wakeFor(entries: readonly LogEntry[]): void {
    if (!this.#options.nudge) return;
    const reported = entries.filter(({ message }) => message.kind !== 'spawned');
    if (reported.length === 0) return;
    const exits = reported.filter(({ message, isCertain }) => isCertain && isExit(message));
    const [first] = exits;
    if (first?.message.kind !== 'ended') {
      this.#waker.wake();
      return;
    }
    const { name, reason } = first.message;
    const others = exits.length > 1 ? { others: exits.length - 1 } : {};
    this.#waker.wakeForExit({ process: name, reason: describeReason(reason), ...others });
  }

  #processesEnded(ended: readonly EndedProcess[]): void {
    const { nudge } = this.#options;
    if (this.#trust === 'none') {
      for (const { process, pid, remains } of ended) {
        if (remains === 'gone') this.#logTails?.noticed(process.id, pid);
      }
    }
    // supervisord was woken already for those that have a line.
    const isLogged = ({ process, remains }: EndedProcess) =>
      remains === 'gone' && this.#evidence.hasUnmatchedEnd(process.id.name);
    const unlogged = ended.filter((each) => !isLogged(each));
    const [first] = unlogged;
    if (!nudge || first === undefined) return;
    const gone = unlogged.filter(({ remains }) => remains === 'gone');
    const ids = gone.map(({ process }) => process.id);
    if (gone.length > 0 && this.#reasons?.askEarly(ids)) return;
    const name = displayName(first.process.id);
    if (this.#options.endpoint !== undefined) this.#waker.wake();
    else this.#waker.wakeForExit({ process: name });
  }
}

function followRuns(change: Change, table: ProcessTable, oomKills: OomKills): void {
  if (change.kind === 'removed') oomKills.forget(keyOf(change.process.id));
  if (change.kind === 'updated') {
    const { id, state, pid } = change.process;
    // A command such as cgexec changes its cgroup while it is STARTING.
    if (state !== 'RUNNING' || pid === undefined || oomKills.knows(keyOf(id), pid)) return;
    oomKills.started(keyOf(id), pid);
  }
  if (change.kind === 'transition' && change.event.to === 'RUNNING') {
    const { process, pid } = change.event;
    const isKnown = table.get(process) !== undefined;
    if (isKnown && pid !== undefined) oomKills.started(keyOf(process), pid);
  }
}

function isExit(message: LogMessage): boolean {
  return message.kind === 'ended' && message.expected !== undefined;
}

function describeReason(reason: LoggedReason): string {
  if (reason.kind === 'exited') return `exit status ${reason.exitCode}`;
  return reason.signal === undefined ? 'signal' : signalName(reason.signal);
}
