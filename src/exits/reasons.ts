/**
 * Looks up why runs ended, which no event reports. supervisord's log is read first: its line is
 * on disk before the event can be sent, so that one read settles most exits at once, inside the
 * change that reports them. Only where the line alone does not settle it is XML-RPC asked,
 * which knows the exit code until the process is started again, and -1 for any signal.
 */

import { reasonOfInfo } from '../processes/apply-snapshot.ts';
import type { Change, ChangeFeed } from '../processes/changes.ts';
import { lastTermination } from '../processes/process.ts';
import type { ProcessTable } from '../processes/table.ts';
import { mayHaveRun, SIGKILL, type TerminationFacts } from '../processes/termination.ts';
import type { RpcClient } from '../rpc/client.ts';
import type { ProcessStateEvent } from '../supervisor/events.ts';
import { displayName, keyOf, type ProcessId, type ProcessKey } from '../supervisor/process-id.ts';
import type { ProcessInfo } from '../supervisor/snapshot.ts';
import { isUp } from '../supervisor/states.ts';
import { messageOf } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import type { LogEvidence } from './evidence.ts';
import { factsOfFinding, knownOf, type Lookup, lookupOf, UNKNOWN } from './lookup.ts';
import { MarkedCalls, type Question, type Reply } from './marked-calls.ts';
import type { Namesakes } from './namesakes.ts';
import type { OomKills } from './oom-kills.ts';
import { PacedCalls } from './paced-calls.ts';
import { type Finding, INCOMPLETE, NOTHING, type Query } from './run-lines.ts';
import type { LogTrust } from './supervisor-log.ts';

/** After this a reason is unknown. */
const DEADLINE_MS = 3_000;
/** Processes in one call. */
const MAX_QUERIES = 50;

export interface MissingEvents {
  /** Whether skipped serials may still be received. */
  readonly isPending: boolean;
  /** How many events were lost so far. */
  readonly lost: number;
}

export interface ExitReasonsOptions {
  readonly table: ProcessTable;
  readonly changes: ChangeFeed;
  readonly namesakes: Namesakes;
  readonly log: Logger;
  readonly evidence: LogEvidence;
  /** Reads what has been written to supervisord's log, and returns whether it can be trusted. */
  readonly readLog: () => LogTrust;
  /** Whether supervisord's log has a line of each start. */
  readonly reportsStarts: () => boolean;
  /** Whether the pid is that of a child of supervisord. */
  readonly isChild: (pid: number) => boolean;
  /** One that keeps its connection open; undefined where supervisord has no HTTP server. */
  readonly client: Pick<RpcClient, 'multicallSettled'> | undefined;
  readonly missingEvents: () => MissingEvents;
  /** A call of `askEarly` has failed, so supervisord was not woken. */
  readonly onAskEarlyFailed: () => void;
  /** undefined where the kernel reports no OOM kills. */
  readonly oomKills?: Pick<OomKills, 'decide'> | undefined;
}

export class ExitReasons {
  readonly #options: ExitReasonsOptions;
  /** Those that the log did not settle; of each process the latest. The oldest first. */
  readonly #lookups = new Map<ProcessKey, Lookup>();
  /** Those that wait until it is established whether the log is supervisord's. */
  #waiting: Lookup[] = [];
  /** Processes that have ended and whose event was not received yet. */
  readonly #early = new Map<ProcessKey, ProcessId>();
  /** Events that were lost when that was last looked at. */
  #lost = 0;
  readonly #calls: MarkedCalls | undefined;
  /** Those of #lookups that no call has asked about. */
  readonly #unasked = new Set<ProcessKey>();
  /** Whether a marker is to be sent although no process is asked about. */
  #needsMarker = false;
  readonly #pace = new PacedCalls(() => this.#call());
  #deadline: NodeJS.Timeout | undefined;
  /** Whether the last call failed. */
  #isRpcFailing = false;
  /** Whether supervisord's log had no line of some exit. */
  hasMissedLine = false;
  /** Whether the last lookup by XML-RPC succeeded; undefined before the first. */
  success: boolean | undefined;
  /** Seconds that the last lookup took; undefined before the first. */
  durationSeconds: number | undefined;

  constructor(options: ExitReasonsOptions) {
    this.#options = options;
    const { client } = options;
    this.#calls =
      client &&
      new MarkedCalls({
        client,
        onReply: (question, reply) => this.#replyReceived(question, reply),
        onAbandoned: (question) => this.#callAbandoned(question),
      });
    options.changes.subscribe((change) => this.#handle(change));
  }

  stop(): void {
    clearTimeout(this.#deadline);
    this.#lookups.clear();
    this.#waiting = [];
    this.#unasked.clear();
    this.#early.clear();
  }

  /** It is established whether the log is supervisord's. */
  trustEstablished(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const lookup of waiting) this.#lookUp(lookup);
    this.requestMarker();
    for (const { id, state, pid } of this.#options.table.values()) {
      if (state === 'RUNNING') this.#correctStart(id, pid);
    }
  }

  /**
   * Asks about processes that have ended and whose event is still to come, which also wakes
   * supervisord. Returns false where that has to wait, or cannot be done.
   */
  askEarly(ended: readonly ProcessId[]): boolean {
    if (this.#calls === undefined || this.#isRpcFailing) return false;
    for (const id of ended) this.#early.set(keyOf(id), id);
    return this.#pace.request();
  }

  /** Lines of the log are missing, or it is not known which line reports the next end of some process. */
  requestMarker(): void {
    this.#needsMarker = true;
    if (this.#calls !== undefined) this.#pace.request();
  }

  /** A marker was received, and with it all events from before its call, unless serials are missing. */
  markerReceived(marker: string): void {
    this.#calls?.markerReceived(marker, (place) => {
      if (!this.#checkMissingEvents()) return new Map();
      // Further exits are logged after what was read before the call.
      this.#options.evidence.settle(place);
      return this.#lookupsOfLastEnds();
    });
  }

  /** A tick of `when` (epoch seconds): every event from before it was received, unless serials are missing. */
  tickReceived(when: number): void {
    if (this.#calls !== undefined || !this.#checkMissingEvents()) return;
    this.#options.evidence.settleBefore(when);
  }

  /**
   * Returns whether no earlier event is missing. If events were lost or are pending, the next line of a
   * name need not be that of its next end.
   */
  #checkMissingEvents(): boolean {
    const { isPending, lost } = this.#options.missingEvents();
    if (isPending || lost !== this.#lost) this.#options.evidence.unalign();
    this.#lost = lost;
    return !isPending;
  }

  #lookupsOfLastEnds(): ReadonlyMap<ProcessKey, Lookup> {
    const isOfLastEnd = ([, { id, terminationId }]: readonly [ProcessKey, Lookup]) => {
      const process = this.#options.table.get(id);
      return (process?.failedStart ?? process?.termination)?.id === terminationId;
    };
    return new Map([...this.#lookups].filter(isOfLastEnd));
  }

  #handle(change: Change): void {
    if (change.kind === 'removed') {
      const key = keyOf(change.process.id);
      this.#lookups.delete(key);
      this.#early.delete(key);
      this.#options.evidence.unalign(change.process.id.name);
    }
    if (change.kind === 'transition') {
      const { process, to, pid } = change.event;
      if (carriesPidFirst(change.event)) this.#correctStart(process, pid);
      if (to === 'RUNNING' || to === 'STOPPING') this.#noteExistence(process, pid);
    }
    if (change.kind === 'exited') {
      const settled = this.#options.evidence.settledOf(change.process.id.name);
      const began = performance.now();
      this.#lookUp(lookupOf(change.process, change.termination, settled, began));
    }
  }

  #correctStart(id: ProcessId, pid: number | undefined): void {
    const { table, changes, evidence, readLog } = this.#options;
    if (pid === undefined || readLog() !== 'trusted') return;
    const startedAt = evidence.beganAt(id.name, pid);
    if (startedAt !== undefined) changes.publish(table.setStartFacts(id, { pid, startedAt }));
  }

  /** The event of a failed start has no pid; the lines of supervisord's log have. */
  #correctFailedStart(lookup: Lookup, facts: TerminationFacts): void {
    const { id, terminationId, query } = lookup;
    const process = this.#options.table.get(id);
    if (query.end !== 'failed-start' || process === undefined || isUp(process.state)) return;
    if (lastTermination(process)?.id !== terminationId) return;
    this.#correctStart(id, this.#pidOf(lookup, facts));
  }

  /** Where starts are not logged: the next line of an end of this name is of this run, or of a later one. */
  #noteExistence({ name }: ProcessId, pid: number | undefined): void {
    const { reportsStarts, readLog, isChild, evidence } = this.#options;
    if (pid === undefined || reportsStarts() || readLog() !== 'trusted') return;
    if (isChild(pid)) evidence.runExists(name, pid);
  }

  #lookUp(lookup: Lookup): void {
    const trust = this.#options.readLog();
    if (trust === 'pending') {
      this.#waiting.push(lookup);
      this.#expectDeadline();
      return;
    }
    const isComplete = this.#checkMissingEvents();
    const finding = trust === 'trusted' ? this.#findBeforeCall(lookup) : NOTHING;
    // An event of an earlier end may still be received.
    if (!isComplete) this.#options.evidence.unalign();
    if (trust === 'trusted' && finding.kind === 'nothing') this.#reportMissingLine(lookup);
    const isUnaligned =
      finding.kind === 'found' && !this.#options.evidence.isAligned(lookup.id.name);
    if (isUnaligned && lookup.query.window === undefined) this.requestMarker();
    const facts = factsOfFinding(finding, lookup) ?? this.#factsWithoutLog(lookup);
    if (facts !== undefined) return void this.#settle(lookup, facts);
    this.#keep(lookup);
    const key = keyOf(lookup.id);
    // The reply to a question from before the event may still come.
    if (this.#calls?.isAskedEarly(key)) return;
    this.#unasked.add(key);
    this.#pace.request();
  }

  /** What is known without a further call; undefined where XML-RPC may know more. */
  #factsWithoutLog(lookup: Lookup): TerminationFacts | undefined {
    // A snapshot has reported all that XML-RPC knows.
    const isAskable = this.#calls !== undefined && lookup.query.end !== 'any';
    return isAskable ? undefined : UNKNOWN;
  }

  #isShared(name: string): boolean {
    return this.#options.namesakes.areSeveral(name);
  }

  #keep(lookup: Lookup): void {
    const key = keyOf(lookup.id);
    const earlier = this.#lookups.get(key);
    this.#lookups.delete(key);
    this.#lookups.set(key, lookup);
    if (earlier !== undefined) this.#settle(earlier, UNKNOWN);
    this.#expectDeadline();
  }

  /** Before XML-RPC is asked, a line counts only if it cannot be of a later end. */
  #findBeforeCall(lookup: Lookup): Finding {
    const { evidence, reportsStarts } = this.#options;
    if (reportsStarts() || !mayTakeLaterLine(lookup)) {
      return evidence.find(this.#queryOf(lookup, false));
    }
    // This end may have a line after all, so the next line need not be that of the next end.
    evidence.passOver(lookup.id.name);
    return INCOMPLETE;
  }

  #queryOf({ query }: Lookup, isReply: boolean, known = query.known): Query {
    return { ...query, known, isShared: this.#isShared(query.name), isReply };
  }

  #settle(lookup: Lookup, found: TerminationFacts): void {
    const { oomKills, table, changes } = this.#options;
    const facts = lookup.query.end === 'any' ? { ...found, isUncounted: true } : found;
    const { reason } = facts;
    const mayBeOomKill =
      reason.kind === 'signalled' && (reason.signal === undefined || reason.signal === SIGKILL);
    if (!mayBeOomKill || oomKills === undefined) return void this.#publish(lookup, facts);
    // The signal is published before the OOM killer is established or ruled out.
    this.#publish(lookup, { ...facts, reason: { ...reason, oomKilled: 'pending' } });
    const { id, terminationId, query } = lookup;
    const isStop = query.end !== 'unexpected' && query.end !== 'failed-start';
    const killed = {
      pid: this.#pidOf(lookup, facts),
      key: keyOf(id),
      at: Math.min(facts.finishedAt ?? Number.POSITIVE_INFINITY, Date.now() / 1000),
      isUnexplained: reason.signal === SIGKILL && !isStop,
    };
    oomKills.decide(killed, (oomKilled) => {
      const signal = oomKilled === true ? SIGKILL : reason.signal;
      const decided = { ...facts, reason: { ...reason, signal, oomKilled } };
      changes.publish(table.setTerminationFacts(id, terminationId, decided));
    });
  }

  /** The event of a failed start has no pid. */
  #pidOf({ query: { name, pid } }: Lookup, { finishedAt }: TerminationFacts): number | undefined {
    if (pid !== undefined || finishedAt === undefined || this.#isShared(name)) return pid;
    return this.#options.evidence.pidOfEnd(name, finishedAt);
  }

  #publish(lookup: Lookup, found: TerminationFacts): void {
    const { table, changes } = this.#options;
    const { id, terminationId, began } = lookup;
    const facts = this.#wasKilledAtStop(lookup, found) ? { ...found, killedAtStop: true } : found;
    this.success ??= true;
    this.durationSeconds = (performance.now() - began) / 1000;
    changes.publish(table.setTerminationFacts(id, terminationId, facts));
    this.#correctFailedStart(lookup, facts);
  }

  #wasKilledAtStop({ query }: Lookup, { reason }: TerminationFacts): boolean {
    const { name, pid, end } = query;
    if (end !== 'stopped' || pid === undefined || reason.kind === 'exited') return false;
    const isKnownKill = reason.kind === 'signalled' && reason.signal === SIGKILL;
    return this.#options.evidence.wasKilledAtStop(name, pid, isKnownKill);
  }

  /** No reason takes longer than this, whatever it waits for. */
  #expectDeadline(): void {
    this.#deadline ??= setTimeout(() => {
      this.#deadline = undefined;
      this.#settleExpired();
    }, DEADLINE_MS);
  }

  #settleExpired(): void {
    const latest = performance.now() - DEADLINE_MS + 1;
    const isExpired = ({ began }: Lookup) => began <= latest;
    const expired = [...this.#waiting, ...this.#lookups.values()].filter(isExpired);
    this.#waiting = this.#waiting.filter((lookup) => !isExpired(lookup));
    for (const [key, lookup] of this.#lookups) if (isExpired(lookup)) this.#lookups.delete(key);
    for (const lookup of expired) this.#settle(lookup, UNKNOWN);
    if (this.#waiting.length + this.#lookups.size > 0) this.#expectDeadline();
  }

  async #call(): Promise<void> {
    const isPending = this.#options.readLog() === 'pending';
    const lookups = isPending ? [] : this.#takeUnasked();
    const early = [...this.#early].slice(0, MAX_QUERIES - lookups.length);
    const isDue = this.#needsMarker || lookups.length + early.length > 0;
    if (this.#calls === undefined || !isDue) return;
    this.#needsMarker = false;
    for (const [key] of early) this.#early.delete(key);
    try {
      await this.#calls.make({ place: this.#options.evidence.end, lookups, early });
      this.#isRpcFailing = false;
      this.success = true;
    } catch (error) {
      // The resync reports what is wrong with XML-RPC.
      this.#isRpcFailing = true;
      if (lookups.length > 0) this.success = false;
      const reason = messageOf(error);
      this.#options.log.debug?.('exit reasons could not be looked up', { reason });
      if (early.length > 0) this.#options.onAskEarlyFailed();
    }
    const hasUnasked = !isPending && this.#unasked.size > 0;
    if (hasUnasked || this.#early.size > 0 || this.#needsMarker) this.#pace.request();
  }

  #takeUnasked(): readonly (readonly [ProcessKey, Lookup])[] {
    const keys = [...this.#unasked].slice(0, MAX_QUERIES);
    for (const key of keys) this.#unasked.delete(key);
    return keys.flatMap((key) => {
      const lookup = this.#lookups.get(key);
      return lookup === undefined ? [] : [[key, lookup] as const];
    });
  }

  #callAbandoned({ lookups, early }: Question): void {
    const ofEarly = early.map(([key]) => [key, this.#lookups.get(key)] as const);
    for (const [key, lookup] of [...lookups, ...ofEarly]) {
      if (lookup !== undefined) this.#answer(key, lookup, undefined);
    }
  }

  #replyReceived({ place, lookups, early }: Question, reply: Reply): void {
    for (const [key] of [...lookups, ...early]) {
      const lookup = reply.lookups.get(key);
      if (lookup !== undefined) this.#answer(key, lookup, reply.infos.get(key), place);
    }
    for (const [key, lookup] of lookups) this.#answer(key, lookup, undefined);
  }

  /** Answers the lookup, unless one of a later exit has replaced it. */
  #answer(key: ProcessKey, lookup: Lookup, info: ProcessInfo | undefined, place = 0): void {
    if (this.#lookups.get(key) !== lookup) return;
    this.#lookups.delete(key);
    this.#unasked.delete(key);
    this.#settle(lookup, this.#factsOfInfo(info, lookup, place));
  }

  /** `place`: the end of what had been read of supervisord's log before the call. */
  #factsOfInfo(info: ProcessInfo | undefined, lookup: Lookup, place: number): TerminationFacts {
    if (info === undefined) return UNKNOWN;
    if (lookup.query.end === 'failed-start') return this.#factsOfFailedStart(info, lookup);
    const reason = reasonOfInfo(info);
    if (reason === undefined) return this.#factsOfStop(lookup, place);
    const { evidence, readLog, reportsStarts } = this.#options;
    if (readLog() !== 'trusted') return { reason };
    const query = this.#queryOf(lookup, true, knownOf(reason));
    const finding = evidence.find(query);
    const isAcrossGap = finding.kind === 'incomplete' && reportsStarts();
    const found = isAcrossGap ? evidence.findAcrossGap(query, place) : finding;
    return factsOfFinding(found, lookup) ?? { reason };
  }

  /** The process was started again, so that only the log knows why it ended. */
  #factsOfStop(lookup: Lookup, place: number): TerminationFacts {
    const { evidence, readLog } = this.#options;
    if (lookup.query.end !== 'stopped' || readLog() !== 'trusted') return UNKNOWN;
    const finding = evidence.findStop(this.#queryOf(lookup, true), place);
    return factsOfFinding(finding, lookup) ?? UNKNOWN;
  }

  #factsOfFailedStart({ spawnError }: ProcessInfo, lookup: Lookup): TerminationFacts {
    if (spawnError === undefined) return UNKNOWN;
    const neverRan = !mayHaveRun(spawnError);
    const { evidence, readLog } = this.#options;
    const isLogged = !neverRan && readLog() === 'trusted';
    const finding = isLogged ? evidence.find(this.#queryOf(lookup, true)) : NOTHING;
    const found = finding.kind === 'found' ? factsOfFinding(finding, lookup) : undefined;
    return { ...UNKNOWN, ...found, spawnError, neverRan };
  }

  /** Once: the cause may be its loglevel or a full disk, which is not known here. */
  #reportMissingLine({ id, query }: Lookup): void {
    if (this.hasMissedLine || query.end !== 'unexpected') return;
    this.hasMissedLine = true;
    this.#options.log.warn("supervisord's log has no line of an exit; reported once", {
      process: displayName(id),
    });
  }
}

/** Whether the event is the first of a run that carries its pid. */
function carriesPidFirst({ from, to }: ProcessStateEvent): boolean {
  return to === 'RUNNING' || (from === 'STARTING' && to === 'STOPPING');
}

/**
 * Whether the end may have no line, in a log without lines of starts, although a later end has one of
 * the same kind: a start that failed without a run, a stop after which the exit code was one of
 * `exitcodes`, and one of several ends in the second that a snapshot reports. No expected exit has a
 * line in such a log.
 */
function mayTakeLaterLine({ query: { end, known } }: Lookup): boolean {
  return end === 'failed-start' || end === 'stopped' || (end === 'any' && known === undefined);
}
