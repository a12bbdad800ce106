/**
 * Decides whether the kernel's OOM killer ended a process. The kernel logs the pid of each victim
 * to /dev/kmsg, which settles it where that can be read. Elsewhere there are only counters: of
 * the host (`oom_kill` of /proc/vmstat) and of supervisord's memory cgroup. The kernel raises both
 * before it sends SIGKILL (mm/oom_kill.c, `__oom_kill_process`), so that a counter that stands
 * still rules the OOM killer out; a step is matched to an exit only where nothing else happened at
 * the same time. No I/O: the sources are read through OomSources.
 */

import type { ProcessKey } from '../supervisor/process-id.ts';
import { dropOldest } from '../util/drop-oldest.ts';
import { CgroupMembers } from './cgroup-members.ts';
import { IncreaseLog, NOTICED_WITHIN_SECONDS, REMEMBERED_SECONDS } from './increase-log.ts';

/** undefined where it cannot be read. */
export interface OomCounters {
  readonly host: number | undefined;
  readonly cgroup: number | undefined;
}

export interface KernelLog {
  /** Victims since the last call. */
  readonly pids: readonly number[];
  /** Whether no line was lost, and no further line waits to be read. */
  readonly isComplete: boolean;
}

export interface OomSources {
  readonly readCounters: () => OomCounters;
  /** undefined where it cannot be read, or has the pids of another PID namespace. */
  readonly readKernelLog: (() => KernelLog) | undefined;
  /** Whether supervisord is in the root cgroup of the host, or there are no memory cgroups. */
  readonly isHostRoot: boolean;
  /** Whether a process is in supervisord's memory cgroup; undefined where that cannot be read. */
  readonly sharesCgroup: (pid: number) => boolean | undefined;
}

/** A process that a signal has ended. */
export interface KilledProcess {
  readonly key: ProcessKey;
  readonly pid: number | undefined;
  /** When supervisord noticed the exit, in epoch seconds. */
  readonly at: number;
  /** Whether the signal is known to be SIGKILL, and supervisord was not stopping the process. */
  readonly isUnexplained: boolean;
}

export type OomDecision = boolean | undefined;

/** The counters are read at least this often, with what ProcWatch needs to call `tick`. */
const READ_EVERY_SECONDS = 0.5;
/** A longer time between two readings was a pause, or the clock was set. */
const LONGEST_AGEING_SECONDS = 1;
/** The stamp of a log line has milliseconds. */
const STAMP_SECONDS = 0.002;
/** The kernel logs a victim just after it has sent the signal. */
const LOG_RETRY_MS = 20;
const LOG_RETRIES = 5;
/** Another process that was killed at the same time is noticed within this. */
const OTHERS_MS = 300;
const MAX_VICTIMS = 1_024;
/** Ends whose decision is remembered. */
const MAX_ENDS = 1_024;

/** The last end of a process that is to be decided. A snapshot and an event may both report it. */
interface Candidate {
  killed: KilledProcess;
  decision: OomDecision | 'pending';
  readonly askers: ((decision: OomDecision) => void)[];
  retries: number;
}

export interface OomKillsOptions {
  readonly sources: OomSources;
  /** Epoch seconds. */
  readonly now?: () => number;
}

export class OomKills {
  readonly #sources: OomSources;
  readonly #now: () => number;
  readonly #host = new IncreaseLog();
  readonly #cgroup = new IncreaseLog();
  /** By pid: the age at which the kernel's log was found to name it. */
  readonly #victims = new Map<number, number>();
  /** Since when all victims are known, in epoch seconds. */
  #logCompleteSince = Number.POSITIVE_INFINITY;
  /** Whether what was logged before the exporter started has been read. */
  #isLogCurrent = false;
  #readAt = Number.NEGATIVE_INFINITY;
  /** Seconds in which supervisord has run since the first reading. */
  #age = 0;
  #isSupervisordRunning = true;
  /** Those that wait for the kernel's log. */
  #awaitingLog: Candidate[] = [];
  /** Those that wait until no other process can have been killed at the same time. */
  #awaitingOthers: Candidate[] = [];
  readonly #ends = new Map<ProcessKey, Candidate>();
  readonly #timers = new Set<NodeJS.Timeout>();
  /** Undefined where it is not needed: the kernel's log can be read, or supervisord is in the host's root cgroup. */
  readonly members: CgroupMembers | undefined;

  constructor({ sources, now = () => Date.now() / 1000 }: OomKillsOptions) {
    this.#sources = sources;
    this.#now = now;
    const isNeeded = sources.readKernelLog === undefined && !sources.isHostRoot;
    if (isNeeded) this.members = new CgroupMembers(sources.sharesCgroup);
    this.read();
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  /** Called many times a second. `isSupervisordRunning`: it notices an exit only then. */
  tick(isSupervisordRunning = true): void {
    this.#isSupervisordRunning = isSupervisordRunning;
    const isDue = Math.abs(this.#now() - this.#readAt) >= READ_EVERY_SECONDS;
    const hasMoreLog =
      this.#sources.readKernelLog !== undefined && !Number.isFinite(this.#logCompleteSince);
    if (isDue || hasMoreLog) this.read();
    this.members?.readSome();
  }

  read(): void {
    const at = this.#now();
    if (this.#isSupervisordRunning) {
      const passed = Math.max(0, at - this.#readAt);
      this.#age += Math.min(passed, LONGEST_AGEING_SECONDS);
    }
    if (at < this.#readAt) this.#logCompleteSince = Number.POSITIVE_INFINITY;
    this.#readAt = at;
    const log = this.#sources.readKernelLog?.();
    const { host, cgroup } = this.#sources.readCounters();
    this.#host.observe(host, at, this.#age);
    this.#cgroup.observe(cgroup, at, this.#age);
    // The kernel logs a victim after it has raised the counters.
    if (log !== undefined) this.#takeVictims(log, at);
  }

  /** Calls `done` with whether the OOM killer ended it, undefined where that cannot be known; mostly at once. */
  decide(killed: KilledProcess, done: (decision: OomDecision) => void): void {
    const known = this.#ends.get(killed.key);
    if (known?.killed.at !== killed.at || known.decision === undefined)
      this.#decideNew(killed, done);
    else if (known.decision === 'pending') join(known, killed, done);
    else done(known.decision);
  }

  #decideNew(killed: KilledProcess, done: (decision: OomDecision) => void): void {
    const candidate: Candidate = { killed, decision: 'pending', askers: [done], retries: 0 };
    this.#ends.delete(killed.key);
    this.#ends.set(killed.key, candidate);
    dropOldest(this.#ends, MAX_ENDS);
    // The clock may have been set back since the last reading.
    if (this.#readAt <= killed.at + STAMP_SECONDS || this.#readAt > this.#now()) this.read();
    this.#consider(candidate);
  }

  #takeVictims({ pids, isComplete }: KernelLog, at: number): void {
    if (!isComplete) this.#logCompleteSince = Number.POSITIVE_INFINITY;
    else if (!Number.isFinite(this.#logCompleteSince)) this.#logCompleteSince = at;
    // Victims that were logged before the exporter started are of earlier runs.
    for (const pid of this.#isLogCurrent ? pids : []) {
      this.#victims.set(pid, this.#age);
      this.#host.match();
    }
    this.#isLogCurrent ||= isComplete;
    for (const [pid, since] of this.#victims) {
      const isOld = since < this.#age - REMEMBERED_SECONDS || this.#victims.size > MAX_VICTIMS;
      if (isOld) this.#victims.delete(pid);
    }
  }

  #consider(candidate: Candidate): void {
    const { killed, retries } = candidate;
    const { pid, at } = killed;
    const isLogUsable = pid !== undefined && this.#logCompleteSince <= at - NOTICED_WITHIN_SECONDS;
    if (pid !== undefined && this.#victims.delete(pid)) {
      this.#cgroup.match();
      conclude(candidate, true);
    } else if (pid === undefined && this.#victims.size > 0) {
      conclude(candidate, undefined);
    } else if (this.#host.unmatched === 0 && this.#host.isReadable) {
      conclude(candidate, this.#host.covers(at) ? false : undefined);
    } else if (isLogUsable && retries < LOG_RETRIES) this.#await(candidate);
    else if (this.#isRuledOut(killed)) conclude(candidate, false);
    else if (this.#hasRecentKill(at)) this.#awaitOthers(candidate);
    else conclude(candidate, undefined);
  }

  /** Whether there was an OOM kill shortly before that the kernel's log does not name. */
  #hasRecentKill(at: number): boolean {
    const after = at - NOTICED_WITHIN_SECONDS;
    return this.#host.unmatchedSince(after) > 0 || this.#cgroup.unmatchedSince(after) > 0;
  }

  /** Whether the process is in supervisord's cgroup, and its counter has not increased. */
  #isRuledOut(killed: KilledProcess): boolean {
    const isStill = this.#cgroup.covers(killed.at) && this.#cgroup.unmatched === 0;
    return isStill && this.#isInCgroup(killed) === true;
  }

  #isInCgroup({ key, pid }: KilledProcess): boolean | undefined {
    return this.members?.has(key, pid);
  }

  #await(candidate: Candidate): void {
    candidate.retries += 1;
    this.#awaitingLog.push(candidate);
    if (this.#awaitingLog.length > 1) return;
    this.#after(LOG_RETRY_MS, () => {
      const waiting = this.#awaitingLog;
      this.#awaitingLog = [];
      this.read();
      for (const each of waiting) this.#consider(each);
    });
  }

  #awaitOthers(candidate: Candidate): void {
    this.#awaitingOthers.push(candidate);
    if (this.#awaitingOthers.length > 1) return;
    this.#after(OTHERS_MS, () => {
      const group = this.#awaitingOthers;
      this.#awaitingOthers = [];
      this.read();
      for (const each of group) {
        conclude(each, group.length === 1 ? this.#decideAlone(each.killed) : undefined);
      }
    });
  }

  /** No other process was killed at the same time. */
  #decideAlone(killed: KilledProcess): OomDecision {
    if (!killed.isUnexplained) return undefined;
    const after = killed.at - NOTICED_WITHIN_SECONDS;
    const isElsewhere = this.#isInCgroup(killed) === false;
    const ofCgroup = this.#cgroup.isReadable && !isElsewhere;
    if (ofCgroup) {
      if (!this.#cgroup.covers(killed.at) || this.#cgroup.unmatchedSince(after) === 0) {
        return undefined;
      }
      this.#cgroup.match();
    } else {
      const isAlone = this.#host.unmatchedSince(after) === 1 && this.#host.unmatched === 1;
      if (!isAlone || !(isElsewhere || this.#sources.isHostRoot)) return undefined;
    }
    this.#host.match();
    return true;
  }

  #after(ms: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, ms);
    this.#timers.add(timer);
  }
}

/** The same end was reported once more, perhaps with more that is known of it. */
function join(
  candidate: Candidate,
  killed: KilledProcess,
  done: Candidate['askers'][number],
): void {
  const { pid = killed.pid, isUnexplained } = candidate.killed;
  const isEitherUnexplained = isUnexplained || killed.isUnexplained;
  candidate.killed = { ...candidate.killed, pid, isUnexplained: isEitherUnexplained };
  candidate.askers.push(done);
}

function conclude(candidate: Candidate, decision: OomDecision): void {
  candidate.decision = decision;
  for (const asker of candidate.askers) asker(decision);
}
