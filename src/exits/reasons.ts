/**
 * Looks up why runs ended, which no event reports. supervisord's log is read first: its line is
 * on disk before the event can be sent, so that one read settles most exits at once, inside the
 * change that reports them. Only where the line alone does not settle it is XML-RPC asked,
 * which knows the exit code until the process is started again, and -1 for any signal.
 */

import { reasonOfInfo } from '../processes/apply-snapshot.ts';
import type { Change, ChangeFeed } from '../processes/changes.ts';
import type { Process } from '../processes/process.ts';
import type { ProcessTable } from '../processes/table.ts';
import {
  SIGKILL,
  type Termination,
  type TerminationFacts,
  type TimeWindow,
} from '../processes/termination.ts';
import type { RpcClient } from '../rpc/client.ts';
import { processInfoCall, readProcessInfo } from '../rpc/snapshot.ts';
import { displayName, keyOf, type ProcessId, type ProcessKey } from '../supervisor/process-id.ts';
import type { ProcessInfo } from '../supervisor/snapshot.ts';
import { dropOldest } from '../util/drop-oldest.ts';
import { messageOf } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import { type Finding, type LogEvidence, NOTHING, type Query } from './evidence.ts';
import type { Namesakes } from './namesakes.ts';
import type { OomKills } from './oom-kills.ts';
import { PacedCalls } from './paced-calls.ts';

/** After this a reason is unknown. */
const DEADLINE_MS = 3_000;
/** Processes in one call. */
const MAX_QUERIES = 50;
/** Exits whose event was not received yet. */
const MAX_EARLY = 1_024;

/** `spawnerr` of a process that was started and exited within `startsecs`. */
const EXITED_TOO_QUICKLY = 'Exited too quickly (process log may have details)';
const EXITED_TOO_QUICKLY_PREFIX = 'Exited too quickly';

const UNKNOWN: TerminationFacts = { reason: { kind: 'unknown' } };

/** `pending`: whether the log is supervisord's is not established yet. */
export type LogTrust = 'trusted' | 'pending' | 'none';

export interface ExitReasonsOptions {
  readonly table: ProcessTable;
  readonly changes: ChangeFeed;
  readonly namesakes: Namesakes;
  readonly log: Logger;
  readonly evidence: LogEvidence;
  /** Reads what has been written to supervisord's log, and returns whether it can be trusted. */
  readonly readLog: () => LogTrust;
  /** One that keeps its connection open; undefined where supervisord has no HTTP server. */
  readonly client: Pick<RpcClient, 'multicallSettled'> | undefined;
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

export class ExitReasons {
  readonly #options: ExitReasonsOptions;
  /** Those that the log did not settle; of each process the latest. The oldest first. */
  readonly #lookups = new Map<ProcessKey, Lookup>();
  /** Those that wait until it is established whether the log is supervisord's. */
  #waiting: Lookup[] = [];
  /** Processes that have ended and whose event was not received yet. */
  readonly #early = new Map<ProcessKey, { readonly id: ProcessId; readonly pid: number }>();
  /** What XML-RPC reported of such processes. */
  readonly #earlyInfos = new Map<
    ProcessKey,
    { readonly pid: number; readonly info: ProcessInfo }
  >();
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
    this.#early.clear();
  }

  /** It is established whether the log is supervisord's. */
  trustEstablished(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const lookup of waiting) this.#lookUp(lookup);
    for (const { id, state, pid } of this.#options.table.values()) {
      if (state === 'RUNNING') this.#correctStart(id, pid);
    }
  }

  /**
   * Asks about processes that have ended and whose event is still to come, which also wakes
   * supervisord. Returns false where that has to wait, or cannot be done.
   */
  askEarly(ended: readonly { readonly id: ProcessId; readonly pid: number }[]): boolean {
    if (this.#options.client === undefined || this.#isRpcFailing) return false;
    for (const { id, pid } of ended) this.#early.set(keyOf(id), { id, pid });
    return this.#calls.request();
  }

  #handle(change: Change): void {
    if (change.kind === 'removed') {
      const key = keyOf(change.process.id);
      this.#lookups.delete(key);
      this.#early.delete(key);
      this.#earlyInfos.delete(key);
    }
    if (change.kind === 'transition' && change.event.to === 'RUNNING') {
      this.#correctStart(change.event.process, change.event.pid);
    }
    if (change.kind === 'exited') this.#lookUp(lookupOf(change.process, change.termination));
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
    const finding = trust === 'trusted' ? this.#find(lookup) : NOTHING;
    if (trust === 'trusted' && finding.kind === 'nothing') this.#reportMissingLine(lookup);
    const facts = factsOfFinding(finding, lookup) ?? this.#factsWithoutLog(lookup);
    if (facts !== undefined) return void this.#settle(lookup, facts);
    this.#keep(lookup);
    this.#calls.request();
  }

  /** What is known without a further call; undefined where XML-RPC may know more. */
  #factsWithoutLog(lookup: Lookup): TerminationFacts | undefined {
    const key = keyOf(lookup.id);
    const early = this.#earlyInfos.get(key);
    this.#earlyInfos.delete(key);
    if (early !== undefined && early.pid === lookup.query.pid) {
      return this.#factsOfInfo(early.info, lookup);
    }
    // A snapshot has reported all that XML-RPC knows.
    const isAskable = this.#options.client !== undefined && lookup.query.end !== 'any';
    return isAskable ? undefined : UNKNOWN;
  }

  #isShared(name: string): boolean {
    return this.#options.namesakes.of(name).length > 1;
  }

  #keep(lookup: Lookup): void {
    const key = keyOf(lookup.id);
    const earlier = this.#lookups.get(key);
    this.#lookups.delete(key);
    this.#lookups.set(key, lookup);
    if (earlier !== undefined) this.#settle(earlier, UNKNOWN);
    this.#expectDeadline();
  }

  #find({ query }: Lookup, known: Query['known'] = query.known): Finding {
    return this.#options.evidence.find({ ...query, known, isShared: this.#isShared(query.name) });
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
    const { client, log, readLog } = this.#options;
    const lookups = readLog() === 'pending' ? [] : [...this.#lookups].slice(0, MAX_QUERIES);
    const early = [...this.#early].slice(0, MAX_QUERIES - lookups.length);
    if (client === undefined || lookups.length + early.length === 0) return;
    for (const [key] of early) this.#early.delete(key);
    try {
      const ids = [...lookups, ...early].map(([, { id }]) => id);
      const infos = (await client.multicallSettled(ids.map(processInfoCall))).map(readProcessInfo);
      this.#isRpcFailing = false;
      this.success = true;
      for (const [index, [key, lookup]] of lookups.entries()) {
        this.#answer(key, lookup, infos[index]);
      }
      for (const [index, [key, { pid }]] of early.entries()) {
        this.#keepEarly(key, pid, infos[lookups.length + index]);
      }
    } catch (error) {
      // The resync reports what is wrong with XML-RPC.
      this.#isRpcFailing = true;
      if (lookups.length > 0) this.success = false;
      log.debug?.('exit reasons could not be looked up', { reason: messageOf(error) });
      if (early.length > 0) this.#options.onAskEarlyFailed();
      for (const [key, lookup] of lookups) this.#answer(key, lookup, undefined);
    }
    if (this.#lookups.size + this.#early.size > 0) this.#calls.request();
  }

  /** Answers the lookup, unless one of a later exit has replaced it. */
  #answer(key: ProcessKey, lookup: Lookup, info: ProcessInfo | undefined): void {
    if (this.#lookups.get(key) !== lookup) return;
    this.#lookups.delete(key);
    this.#settle(lookup, this.#factsOfInfo(info, lookup));
  }

  /** Keeps the reply for the event, or uses it if the event was received in the meantime. */
  #keepEarly(key: ProcessKey, pid: number, info: ProcessInfo | undefined): void {
    if (info === undefined) return;
    const lookup = this.#lookups.get(key);
    if (lookup?.query.pid === pid) return void this.#answer(key, lookup, info);
    this.#earlyInfos.set(key, { pid, info });
    dropOldest(this.#earlyInfos, MAX_EARLY);
  }

  #factsOfInfo(info: ProcessInfo | undefined, lookup: Lookup): TerminationFacts {
    if (info === undefined) return UNKNOWN;
    if (lookup.query.end === 'failed-start') return factsOfFailedStart(info);
    const reason = isWithin(info.stop, lookup.query.window) ? reasonOfInfo(info) : undefined;
    if (reason === undefined) return UNKNOWN;
    const known = reason.kind === 'exited' ? reason.exitCode : 'signal';
    if (this.#options.readLog() !== 'trusted') return { reason };
    return factsOfFinding(this.#find(lookup, known), lookup) ?? { reason };
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

function lookupOf(process: Readonly<Process>, termination: Termination): Lookup {
  const { id: terminationId, pid, window, reason } = termination;
  const { id } = process;
  const known =
    reason.kind === 'exited' ? reason.exitCode : reason.kind === 'signalled' ? 'signal' : undefined;
  const end = endOf(process, termination);
  const query = { name: id.name, pid, window, end, known } as const;
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
    case 'nothing':
      return undefined;
    default: {
      const unhandled: never = finding;
      throw new Error(`unhandled finding ${JSON.stringify(unhandled)}`);
    }
  }
}

function factsOfFailedStart({ spawnError }: ProcessInfo): TerminationFacts {
  if (spawnError === undefined) return UNKNOWN;
  return {
    ...UNKNOWN,
    spawnError,
    neverRan: !spawnError.startsWith(EXITED_TOO_QUICKLY_PREFIX),
  };
}

/** `stop`: a whole second. */
function isWithin(stop: number, { after, before }: TimeWindow): boolean {
  return stop >= Math.floor(after) && stop <= before;
}
