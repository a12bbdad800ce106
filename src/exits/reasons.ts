/**
 * Looks up why runs ended, which no event reports. supervisord's log is read first: its line is
 * on disk before the event can be sent, so that one read settles most exits at once, inside the
 * change that reports them. Only where the line alone does not settle it is XML-RPC asked,
 * which knows the exit code until the process is started again, and -1 for any signal.
 *
 * Each call also has supervisord send a marker as an event. When that is received, so are all
 * events from before the call: then it is known whether the reply is about the exit in question,
 * and that further exits are logged after what was read before the call.
 */

import { reasonOfInfo } from '../processes/apply-snapshot.ts';
import type { Change, ChangeFeed } from '../processes/changes.ts';
import type { Process } from '../processes/process.ts';
import type { ProcessTable } from '../processes/table.ts';
import { SIGKILL, type Termination, type TerminationFacts } from '../processes/termination.ts';
import { MARKER_TYPE } from '../resync/fetch.ts';
import type { RpcClient } from '../rpc/client.ts';
import { processInfoCall, readProcessInfo } from '../rpc/snapshot.ts';
import { displayName, keyOf, type ProcessId, type ProcessKey } from '../supervisor/process-id.ts';
import type { ProcessInfo } from '../supervisor/snapshot.ts';
import { messageOf } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import { type Finding, INCOMPLETE, type LogEvidence, NOTHING, type Query } from './evidence.ts';
import type { Namesakes } from './namesakes.ts';
import type { OomKills } from './oom-kills.ts';
import { PacedCalls } from './paced-calls.ts';

/** After this a reason is unknown. */
const DEADLINE_MS = 3_000;
/** Processes in one call. */
const MAX_QUERIES = 50;
/** Calls whose marker is awaited; with a full event buffer it may have been discarded. */
const MAX_CALLS = 64;

/** `spawnerr` of a process that was started and exited within `startsecs`. */
const EXITED_TOO_QUICKLY = 'Exited too quickly (process log may have details)';
const EXITED_TOO_QUICKLY_PREFIX = 'Exited too quickly';

const UNKNOWN: TerminationFacts = { reason: { kind: 'unknown' } };

/** `pending`: whether the log is supervisord's is not established yet. */
export type LogTrust = 'trusted' | 'pending' | 'none';

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
  /** One that keeps its connection open; undefined where supervisord has no HTTP server. */
  readonly client: Pick<RpcClient, 'multicallSettled'> | undefined;
  readonly missingEvents: () => MissingEvents;
  /** A call of `askEarly` has failed, so supervisord was not woken. */
  readonly onAskEarlyFailed: () => void;
  /** undefined where the kernel reports no OOM kills. */
  readonly oomKills?: Pick<OomKills, 'decide'> | undefined;
}

/** A termination whose reason is looked up. */
interface Lookup {
  readonly id: ProcessId;
  readonly terminationId: number;
  readonly query: Omit<Query, 'isShared'>;
  readonly began: number;
}

/** A call whose marker was not received yet. */
interface Call {
  readonly marker: string;
  /** The end of what had been read of supervisord's log before it was made. */
  readonly place: number;
  readonly lookups: readonly (readonly [ProcessKey, Lookup])[];
  readonly early: readonly ProcessKey[];
  /** By process; undefined before the reply. */
  infos: ReadonlyMap<ProcessKey, ProcessInfo | undefined> | undefined;
  /** The lookups of the last end of each process when the marker was received; undefined before. */
  atMarker: ReadonlyMap<ProcessKey, Lookup> | undefined;
}

export class ExitReasons {
  readonly #options: ExitReasonsOptions;
  /** Those that the log did not settle; of each process the latest. The oldest first. */
  readonly #lookups = new Map<ProcessKey, Lookup>();
  /** Those that wait until it is established whether the log is supervisord's. */
  #waiting: Lookup[] = [];
  /** Processes that have ended and whose event was not received yet. */
  readonly #early = new Map<ProcessKey, ProcessId>();
  /** Distinguishes our markers from those of others and of earlier lives. */
  readonly #markerPrefix = `exits ${Date.now()}-${Math.random()}`;
  #markers = 0;
  /** Events that were lost when that was last looked at. */
  #lost = 0;
  /** By marker: calls whose reply or marker was not received yet. The oldest first. */
  readonly #asked = new Map<string, Call>();
  /** Those of #lookups that no call has asked about. */
  readonly #unasked = new Set<ProcessKey>();
  /** Whether a marker is to be sent although no process is asked about. */
  #needsMarker = false;
  readonly #calls = new PacedCalls(() => this.#call());
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
    if (this.#options.client === undefined || this.#isRpcFailing) return false;
    for (const id of ended) this.#early.set(keyOf(id), id);
    return this.#calls.request();
  }

  /** Lines of the log are missing, or it is not known which line reports the next end of some process. */
  requestMarker(): void {
    this.#needsMarker = true;
    if (this.#options.client !== undefined) this.#calls.request();
  }

  /** A marker was received, and with it all events from before its call, unless serials are missing. */
  markerReceived(marker: string): void {
    const asked = this.#asked.get(marker);
    if (asked === undefined || asked.atMarker !== undefined) return;
    const isComplete = this.#areEventsComplete();
    asked.atMarker = isComplete ? this.#lookupsOfLastEnds() : new Map();
    if (isComplete) this.#options.evidence.settle(asked.place);
    this.#complete(asked);
  }

  /** A tick of `when` (epoch seconds): every event from before it was received, unless serials are missing. */
  tickReceived(when: number): void {
    const { client, evidence } = this.#options;
    if (client === undefined && this.#areEventsComplete()) evidence.settleBefore(when);
  }

  /** Whether no event is missing before the present one. If one is, its line is not that of a later end. */
  #areEventsComplete(): boolean {
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
    if (change.kind === 'transition' && change.event.to === 'RUNNING') {
      this.#correctStart(change.event.process, change.event.pid);
    }
    if (change.kind === 'exited') {
      const { settled } = this.#options.evidence;
      this.#lookUp(lookupOf(change.process, change.termination, settled));
    }
  }

  /** The event of RUNNING is the first of a run that carries its pid. */
  #correctStart(id: ProcessId, pid: number | undefined): void {
    const { table, changes, evidence, readLog } = this.#options;
    if (pid === undefined || readLog() !== 'trusted') return;
    const startedAt = evidence.beganAt(id.name, pid);
    if (startedAt !== undefined) changes.publish(table.setStartFacts(id, { pid, startedAt }));
  }

  #lookUp(lookup: Lookup): void {
    const trust = this.#options.readLog();
    if (trust === 'pending') {
      this.#waiting.push(lookup);
      this.#expectDeadline();
      return;
    }
    this.#areEventsComplete();
    const finding = trust === 'trusted' ? this.#findBeforeCall(lookup) : NOTHING;
    if (trust === 'trusted' && finding.kind === 'nothing') this.#reportMissingLine(lookup);
    const isUnaligned =
      finding.kind === 'found' && !this.#options.evidence.isAligned(lookup.id.name);
    if (isUnaligned && lookup.query.window === undefined) this.requestMarker();
    const facts = factsOfFinding(finding, lookup) ?? this.#factsWithoutLog(lookup);
    if (facts !== undefined) return void this.#settle(lookup, facts);
    this.#keep(lookup);
    const key = keyOf(lookup.id);
    // The reply to a question from before the event may still come.
    if ([...this.#asked.values()].some(({ early }) => early.includes(key))) return;
    this.#unasked.add(key);
    this.#calls.request();
  }

  /** What is known without a further call; undefined where XML-RPC may know more. */
  #factsWithoutLog(lookup: Lookup): TerminationFacts | undefined {
    // A snapshot has reported all that XML-RPC knows.
    const isAskable = this.#options.client !== undefined && lookup.query.end !== 'any';
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

  /** A start that failed without a run has no line where starts have none: a line may then be of a later run. */
  #findBeforeCall(lookup: Lookup): Finding {
    const mayHaveNoLine = lookup.query.end === 'failed-start' && !this.#options.reportsStarts();
    return mayHaveNoLine ? INCOMPLETE : this.#find(lookup);
  }

  #find({ query }: Lookup, known: Query['known'] = query.known): Finding {
    return this.#options.evidence.find({ ...query, known, isShared: this.#isShared(query.name) });
  }

  #findAcrossGap({ query }: Lookup, known: Query['known'], place: number): Finding {
    const { evidence, reportsStarts } = this.#options;
    if (!reportsStarts()) return INCOMPLETE;
    return evidence.findAcrossGap({ ...query, known, isShared: this.#isShared(query.name) }, place);
  }

  #settle(lookup: Lookup, facts: TerminationFacts): void {
    const { oomKills, table, changes } = this.#options;
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
    const { client, readLog } = this.#options;
    const isPending = readLog() === 'pending';
    const lookups = isPending ? [] : this.#takeUnasked();
    const early = [...this.#early].slice(0, MAX_QUERIES - lookups.length);
    const isDue = this.#needsMarker || lookups.length + early.length > 0;
    if (client === undefined || !isDue) return;
    this.#needsMarker = false;
    for (const [key] of early) this.#early.delete(key);
    const asked = this.#newCall(lookups, early);
    const ids = [...new Map([...lookups.map(([key, { id }]) => [key, id] as const), ...early])];
    try {
      const calls = [sendMarker(asked.marker), ...ids.map(([, id]) => processInfoCall(id))];
      const [, ...infos] = await client.multicallSettled(calls);
      asked.infos = new Map(ids.map(([key], index) => [key, readProcessInfo(infos[index])]));
      this.#isRpcFailing = false;
      this.success = true;
      this.#complete(asked);
    } catch (error) {
      this.#callFailed(asked, error);
    }
    const hasUnasked = !isPending && this.#unasked.size > 0;
    if (hasUnasked || this.#early.size > 0 || this.#needsMarker) this.#calls.request();
  }

  #takeUnasked(): readonly (readonly [ProcessKey, Lookup])[] {
    const keys = [...this.#unasked].slice(0, MAX_QUERIES);
    for (const key of keys) this.#unasked.delete(key);
    return keys.flatMap((key) => {
      const lookup = this.#lookups.get(key);
      return lookup === undefined ? [] : [[key, lookup] as const];
    });
  }

  #newCall(lookups: Call['lookups'], early: readonly (readonly [ProcessKey, unknown])[]): Call {
    this.#markers += 1;
    const asked: Call = {
      marker: `${this.#markerPrefix} ${this.#markers}`,
      place: this.#options.evidence.end,
      lookups,
      early: early.map(([key]) => key),
      infos: undefined,
      atMarker: undefined,
    };
    this.#asked.set(asked.marker, asked);
    const [oldest] = this.#asked.values();
    if (this.#asked.size > MAX_CALLS && oldest !== undefined) this.#abandon(oldest);
    return asked;
  }

  #callFailed(asked: Call, error: unknown): void {
    // The resync reports what is wrong with XML-RPC.
    this.#isRpcFailing = true;
    if (asked.lookups.length > 0) this.success = false;
    this.#options.log.debug?.('exit reasons could not be looked up', { reason: messageOf(error) });
    if (asked.early.length > 0) this.#options.onAskEarlyFailed();
    this.#abandon(asked);
  }

  /** No reply to this call can be used any more. */
  #abandon(asked: Call): void {
    this.#asked.delete(asked.marker);
    const ofEarly = asked.early.map((key) => [key, this.#lookups.get(key)] as const);
    for (const [key, lookup] of [...asked.lookups, ...ofEarly]) {
      if (lookup !== undefined) this.#answer(key, lookup, undefined);
    }
  }

  /** Uses the reply once both it and its marker were received. */
  #complete(asked: Call): void {
    const { lookups, early, infos, atMarker } = asked;
    if (infos === undefined || atMarker === undefined) return;
    this.#asked.delete(asked.marker);
    for (const key of [...lookups.map(([each]) => each), ...early]) {
      const lookup = atMarker.get(key);
      if (lookup !== undefined) this.#answer(key, lookup, infos.get(key), asked.place);
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
    if (reason === undefined) return UNKNOWN;
    const known = reason.kind === 'exited' ? reason.exitCode : 'signal';
    if (this.#options.readLog() !== 'trusted') return { reason };
    const finding = this.#find(lookup, known);
    const isKnown = finding.kind !== 'incomplete';
    const found = isKnown ? finding : this.#findAcrossGap(lookup, known, place);
    return factsOfFinding(found, lookup) ?? { reason };
  }

  #factsOfFailedStart({ spawnError }: ProcessInfo, lookup: Lookup): TerminationFacts {
    if (spawnError === undefined) return UNKNOWN;
    const neverRan = !spawnError.startsWith(EXITED_TOO_QUICKLY_PREFIX);
    const isLogged = !neverRan && this.#options.readLog() === 'trusted';
    const finding = isLogged ? this.#find(lookup) : NOTHING;
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

function lookupOf(process: Readonly<Process>, termination: Termination, since: number): Lookup {
  const { id: terminationId, pid, window, reason } = termination;
  const { id } = process;
  const known =
    reason.kind === 'exited' ? reason.exitCode : reason.kind === 'signalled' ? 'signal' : undefined;
  const end = endOf(process, termination);
  const query = { name: id.name, pid, window, since, end, known } as const;
  return { id, terminationId, query, began: performance.now() };
}

function endOf({ failedStart }: Readonly<Process>, termination: Termination): Query['end'] {
  if (failedStart?.id === termination.id) return 'failed-start';
  if (termination.serial === undefined) return 'any';
  if (termination.expected === undefined) return 'stopped';
  return termination.expected ? 'expected' : 'unexpected';
}

/** undefined where the log does not settle it. */
function factsOfFinding(finding: Finding, { query }: Lookup): TerminationFacts | undefined {
  switch (finding.kind) {
    case 'found':
      return {
        reason: finding.reason,
        finishedAt: finding.at,
        ...(query.end === 'failed-start' ? { spawnError: EXITED_TOO_QUICKLY } : {}),
      };
    case 'spawn-error':
      return { ...UNKNOWN, spawnError: finding.text, neverRan: true };
    case 'contradictory':
    case 'incomplete':
    case 'nothing':
      return undefined;
    default: {
      const unhandled: never = finding;
      throw new Error(`unhandled finding ${JSON.stringify(unhandled)}`);
    }
  }
}

function sendMarker(marker: string) {
  return { methodName: 'supervisor.sendRemoteCommEvent', params: [MARKER_TYPE, marker] };
}
