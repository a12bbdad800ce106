/**
 * Exits: notices them before their event and wakes supervisord, looks up their reasons, and
 * watches for exits that supervisord does not report.
 *
 * A line of the log, or what /proc shows, wakes and proposes a reason. The event remains the
 * only source of states and counters.
 */

import type { OwnCircumstances } from '../configuration/read-running.ts';
import type { ChangeFeed } from '../processes/changes.ts';
import type { LogTail } from '../processes/log-tail.ts';
import { livePid, type Process } from '../processes/process.ts';
import type { ProcessTable } from '../processes/table.ts';
import { RpcClient } from '../rpc/client.ts';
import type { SupervisorEndpoint } from '../rpc/endpoint.ts';
import { displayName, type ProcessId } from '../supervisor/process-id.ts';
import { signalName } from '../supervisor/signals.ts';
import type { CollectorStats } from '../util/collector-stats.ts';
import type { Logger } from '../util/log.ts';
import { type LogEntry, LogEvidence } from './evidence.ts';
import type { LoggedReason, LogMessage } from './log-lines.ts';
import { LogTails } from './log-tails.ts';
import { Namesakes } from './namesakes.ts';
import { OomKills } from './oom-kills.ts';
import { type OpenOomSources, openOomSources } from './oom-sources.ts';
import { startedAt } from './proc-stat.ts';
import { type EndedProcess, ProcWatch } from './proc-watch.ts';
import { ExitReasons, type MissingEvents } from './reasons.ts';
import { type LogTrust, SupervisorLog } from './supervisor-log.ts';
import { Waker } from './wake.ts';

/** Lines that supervisord logs meanwhile are handled in further rounds, which a busy log must not prolong. */
const MAX_ROUNDS = 4;
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
  readonly #client: RpcClient | undefined;
  readonly #supervisorLog: SupervisorLog;
  readonly #reasons: ExitReasons | undefined;
  readonly #oomSources: OpenOomSources | undefined;
  readonly #oomKills: OomKills | undefined;
  readonly #logTails: LogTails | undefined;
  readonly #waker: Waker;
  readonly #watch: ProcWatch;
  /** Whether /proc is watched, so that the log is read each time supervisord has run. */
  #isProcWatched = false;
  #isAskingAfterLoss = false;

  constructor(options: ExitsOptions) {
    this.#options = options;
    const { changes, endpoint, timeoutMs, log, logsInfo } = options;
    const namesakes = new Namesakes(changes);
    this.#client = endpoint && new RpcClient(endpoint, { timeoutMs, keepOpen: true });
    this.#waker = new Waker({ endpoint, log, logsInfo });
    if (options.reasons) {
      this.#oomSources = openOomSources();
      this.#oomKills = this.#oomSources && new OomKills(this.#oomSources);
      this.#oomKills?.members?.follow(changes, options.table);
      this.#reasons = this.#newReasons(namesakes);
      if (options.logTailBytes > 0) this.#logTails = this.#newLogTails(namesakes);
    }
    this.#supervisorLog = this.#newLog(namesakes);
    this.#watch = this.#newWatch();
    options.signal.addEventListener('abort', () => this.#stop());
  }

  #newReasons(namesakes: Namesakes): ExitReasons {
    const { table, changes, log, missingEvents } = this.#options;
    return new ExitReasons({
      table,
      changes,
      namesakes,
      log,
      evidence: this.#evidence,
      client: this.#client,
      readLog: () => this.#readLog(),
      reportsStarts: () => this.#supervisorLog.reportsStarts,
      isChild: (pid) => this.#isProcWatched && this.#watch.isChild(pid),
      oomKills: this.#oomKills,
      missingEvents,
      onAskEarlyFailed: () => this.#waker.wake(),
    });
  }

  #newLogTails(namesakes: Namesakes): LogTails {
    const { table, changes, log, supervisorPid, logTailBytes } = this.#options;
    return new LogTails({
      table,
      changes,
      namesakes,
      log,
      supervisorPid,
      maxBytes: logTailBytes,
      evidence: this.#evidence,
      readLog: () => this.#readLog() === 'trusted' && this.#supervisorLog.reportsStarts,
      client: this.#client,
    });
  }

  #newLog(namesakes: Namesakes): SupervisorLog {
    const { supervisorPid, own, logFile, ownName, ownPid, log, nudge, signal } = this.#options;
    return new SupervisorLog({
      supervisorPid,
      supervisorStartedAt: startedAt(supervisorPid),
      own,
      path: logFile,
      ownName,
      isOnlyOwnName: () => namesakes.of(ownName ?? '').length === 1,
      ownPid,
      client: this.#client,
      log,
      evidence: this.#evidence,
      children: () => this.#children(),
      isWatched: nudge || this.#logTails !== undefined,
      isReadAfterRuns: () => this.#isProcWatched,
      onWritten: () => this.#readLog(),
      onTrust: () => this.#reasons?.trustEstablished(),
      signal,
    });
  }

  #newWatch(): ProcWatch {
    const { table, supervisorPid, requestResync } = this.#options;
    return new ProcWatch({
      table,
      supervisorPid,
      onTick: () => this.#oomKills?.tick(!this.#watch.isSilent),
      onRun: () => this.#readLog(),
      onEnded: (ended) => this.#processesEnded(ended),
      requestResync,
    });
  }

  /** Resolves once the log is followed, or known not to be found. */
  async start(): Promise<void> {
    const { nudge, reasons } = this.#options;
    this.#isProcWatched = this.#watch.start();
    this.#oomSources?.watch(() => this.#oomKills?.read());
    if (nudge || reasons) await this.#supervisorLog.start();
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
    const success = this.#supervisorLog.hasProblem ? false : this.#reasons?.success;
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
    return this.#supervisorLog.hasWarnings && this.#reasons?.hasMissedLine === false;
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
    this.#watch.stop();
    this.#waker.stop();
    this.#reasons?.stop();
    this.#oomKills?.stop();
    this.#oomSources?.close();
    this.#client?.close();
  }

  /** The pids of supervisord's children; empty where they cannot be read. */
  #children(): ReadonlySet<number> {
    return this.#isProcWatched ? this.#watch.childPids() : new Set();
  }

  /** The logs of processes are read before supervisord is woken, because it may then restart them. */
  #readLog(): LogTrust {
    this.#supervisorLog.read();
    const lines = this.#keepLogTails();
    // The call, which reads the log once more, wakes supervisord as well.
    if (!this.#isAskingAfterLoss && !this.#askAfterLoss()) this.#wakeFor(lines);
    return this.#supervisorLog.trust;
  }

  /** Keeps the log tails of the exits that new lines report. Returns these lines. */
  #keepLogTails(): readonly LogEntry[] {
    const handled: LogEntry[] = [];
    for (let round = 0; ; round++) {
      const lines = this.#supervisorLog.takeLines();
      if (lines.length === 0) return handled;
      handled.push(...lines);
      if (!this.#supervisorLog.reportsStarts) this.#logTails?.logged(lines);
      else if (round < MAX_ROUNDS) this.#keepLogTailsOf(lines);
    }
  }

  #keepLogTailsOf(lines: readonly LogEntry[]): void {
    const tails = this.#logTails?.read(lines) ?? [];
    if (tails.length === 0) return;
    this.#supervisorLog.read();
    if (this.#supervisorLog.reportsStarts) this.#logTails?.keep(tails);
  }

  /**
   * If lines were lost, asks about the processes whose line may be among them, before anything
   * else makes supervisord restart them. Returns whether the call, which wakes it, has begun.
   */
  #askAfterLoss(): boolean {
    if (!this.#supervisorLog.takeLoss()) return false;
    const children = this.#children();
    const gone = [...this.#options.table.values()].flatMap((process) => {
      const pid = livePid(process);
      return pid === undefined || children.has(pid) ? [] : [process.id];
    });
    const areLost = children.size > 0 && gone.length > 0;
    this.#isAskingAfterLoss = true;
    const isAsked = areLost && this.#reasons?.askEarly(gone) === true;
    this.#isAskingAfterLoss = false;
    this.#reasons?.requestMarker();
    return isAsked;
  }

  /** Wakes supervisord for lines whose event is still to come. */
  #wakeFor(lines: readonly LogEntry[]): void {
    if (!this.#options.nudge) return;
    const reported = lines.filter(({ message }) => message.kind !== 'spawned');
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
    if (this.#supervisorLog.trust === 'none') {
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

function isExit(message: LogMessage): boolean {
  return message.kind === 'ended' && message.expected !== undefined;
}

function describeReason(reason: LoggedReason): string {
  if (reason.kind === 'exited') return `exit status ${reason.exitCode}`;
  return reason.signal === undefined ? 'signal' : signalName(reason.signal);
}
