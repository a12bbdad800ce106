/**
 * Keeps the end of each process' log at its last unexpected exit or failed start.
 *
 * supervisord writes all output of a run before it logs the exit, and logs the next start before
 * it reads the output of that run. So a tail that is read after the line of an exit is of that run
 * or earlier ones, unless supervisord has logged a further start and the new process has written
 * something, both of which are checked after the read. If the exporter may not read the log, it
 * asks supervisord. That answers the calls of one system.multicall in one turn of its loop, in
 * which it starts no process, so getProcessInfo shows whether there was a further start.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Change, ChangeFeed } from '../processes/changes.ts';
import type { LogTail } from '../processes/log-tail.ts';
import { livePid, type Process } from '../processes/process.ts';
import type { ProcessTable } from '../processes/table.ts';
import type { Termination } from '../processes/termination.ts';
import type { RpcClient } from '../rpc/client.ts';
import { parseProcessInfo } from '../rpc/snapshot.ts';
import { displayName, keyOf, type ProcessId, type ProcessKey } from '../supervisor/process-id.ts';
import { DutyCycle } from '../util/duty-cycle.ts';
import { messageOf, RpcError } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import type { LogEntry, LogEvidence } from './evidence.ts';
import { toHarmlessText } from './harmless-text.ts';
import { readLogEnd } from './log-end.ts';
import { hasWrittenNothing } from './run-activity.ts';

/** The run of a tail. */
type Run =
  /** `at`: the time of the line in supervisord's log that reports its end, in epoch seconds. */
  | { readonly kind: 'logged'; readonly at: number }
  /** Its end was noticed at `at`, in epoch seconds, without that log. */
  | { readonly kind: 'noticed'; readonly at: number; readonly pid: number };

interface ReadTail {
  readonly id: ProcessId;
  readonly run: Run;
  readonly stream: LogTail['stream'];
  readonly text: string;
}

interface TailRequest {
  readonly id: ProcessId;
  readonly run: Run;
}

/** Tails that were read at the line of an exit, and those that supervisord has to be asked for. */
export interface TailCandidates {
  readonly read: readonly ReadTail[];
  readonly unread: readonly TailRequest[];
}

export interface LogTailsOptions {
  readonly table: ProcessTable;
  readonly changes: ChangeFeed;
  readonly maxBytes: number;
  readonly supervisorPid: number;
  readonly evidence: Pick<LogEvidence, 'isLastEnd' | 'pidAfterEnd'>;
  /** Whether a process has written nothing yet. */
  readonly hasWrittenNothing?: (pid: number, supervisorPid: number) => boolean;
  /** Reads what has been written to supervisord's log; returns whether that reports every start. */
  readonly readLog: () => boolean;
  /** undefined where supervisord has no HTTP server. */
  readonly client: Pick<RpcClient, 'multicallSettled'> | undefined;
  readonly log: Logger;
}

/** Each takes some 60 µs, and they delay the wake of supervisord. */
const MAX_READ_AT_ONCE = 100;
/** Tails that wait for the event of their exit. */
const MAX_WAITING = 256;
const MAX_REQUESTS = 64;
/** Processes in one call. */
const REQUESTS_PER_CALL = 8;
const READ_METHODS = {
  stderr: 'supervisor.readProcessStderrLog',
  stdout: 'supervisor.readProcessStdoutLog',
} as const;
/** What the calls may take of supervisord's time. */
const SHARE_OF_SUPERVISORD = 0.1;
/** A few exits in a row are each asked about at once: the next start is at most a second away. */
const BURST_MS = 500;
const LONGEST_PAUSE_MS = 1_000;
/** An exit is noticed within this time, so only a run that began before that can be the one that ended. */
const NOTICED_WITHIN_SECONDS = 3;

export class LogTails {
  readonly #options: LogTailsOptions;
  readonly #idsOfName = new Map<string, Map<ProcessKey, ProcessId>>();
  /** The oldest first. */
  #waiting: ReadTail[] = [];
  /** Of each process. */
  readonly #lastTerminations = new Map<ProcessKey, Termination>();
  readonly #kept = new Map<ProcessKey, LogTail>();
  #requests: TailRequest[] = [];
  #isAsking = false;
  readonly #duty = new DutyCycle({
    share: SHARE_OF_SUPERVISORD,
    burstMs: BURST_MS,
    longestPauseMs: LONGEST_PAUSE_MS,
  });

  constructor(options: LogTailsOptions) {
    this.#options = options;
    options.changes.subscribe((change) => this.#handle(change));
  }

  of(id: ProcessId): LogTail | undefined {
    return this.#kept.get(keyOf(id));
  }

  /** Reads the logs of processes whose exit was just logged. */
  read(entries: readonly LogEntry[]): TailCandidates {
    const read: ReadTail[] = [];
    const unread: TailRequest[] = [];
    for (const { at, message } of entries) {
      if (message.kind !== 'ended' || message.expected !== false) continue;
      const run = { kind: 'logged', at } as const;
      if (!this.#isBeforeNextOutput(message.name, run)) continue;
      for (const id of this.#idsOfName.get(message.name)?.values() ?? []) {
        if (read.length + unread.length >= MAX_READ_AT_ONCE) return { read, unread };
        const tail = this.#readFiles(id);
        if (tail === 'denied') unread.push({ id, run });
        else if (tail !== undefined) read.push({ id, run, ...tail });
      }
    }
    return { read, unread };
  }

  /** Keeps the tails of processes for which supervisord's log, read again after them, shows no further start. */
  keep({ read, unread }: TailCandidates): void {
    for (const request of unread) this.#request(request);
    for (const tail of read) {
      if (this.#isBeforeNextOutput(tail.id.name, tail.run)) this.#addTail(tail);
    }
  }

  /** An exit without a line in supervisord's log; its event is still to come. */
  noticed(id: ProcessId, pid: number): void {
    this.#request({ id, run: { kind: 'noticed', at: Date.now() / 1000, pid } });
  }

  /** Asks supervisord about exits, where its log does not report starts. */
  logged(entries: readonly LogEntry[]): void {
    for (const { message } of entries) {
      if (message.kind !== 'ended' || message.expected !== false) continue;
      for (const id of this.#idsOfName.get(message.name)?.values() ?? []) {
        const process = this.#options.table.get(id);
        const pid = process && livePid(process);
        if (pid !== undefined) this.noticed(id, pid);
      }
    }
  }

  #request(request: TailRequest): void {
    if (this.#options.client === undefined || this.#requests.length >= MAX_REQUESTS) return;
    this.#requests.push(request);
    if (!this.#isAsking) void this.#callAll(this.#options.client);
  }

  /** Whether the log of the process can have no output of a later run. */
  #isBeforeNextOutput(name: string, run: Run): boolean {
    if (run.kind === 'noticed') return true;
    const {
      evidence,
      supervisorPid,
      hasWrittenNothing: isSilent = hasWrittenNothing,
    } = this.#options;
    if (evidence.isLastEnd(name, run.at)) return true;
    const next = evidence.pidAfterEnd(name, run.at);
    // Of several processes of this name, another one may have been started.
    const isAlone = this.#idsOfName.get(name)?.size === 1;
    return next !== undefined && isAlone && isSilent(next, supervisorPid);
  }

  #handle(change: Change): void {
    switch (change.kind) {
      case 'added':
        this.#add(change.process.id);
        return;
      case 'removed':
        this.#remove(change.process.id);
        return;
      case 'exited':
        this.#ended(change.process, change.termination);
        return;
      case 'reason':
        this.#settled(keyOf(change.id), change.terminationId, change.facts.finishedAt);
        return;
      default:
    }
  }

  #add(id: ProcessId): void {
    const ids = this.#idsOfName.get(id.name) ?? new Map<ProcessKey, ProcessId>();
    ids.set(keyOf(id), id);
    this.#idsOfName.set(id.name, ids);
  }

  #remove(id: ProcessId): void {
    const key = keyOf(id);
    const ids = this.#idsOfName.get(id.name);
    ids?.delete(key);
    if (ids?.size === 0) this.#idsOfName.delete(id.name);
    this.#kept.delete(key);
    this.#lastTerminations.delete(key);
    this.#waiting = this.#waiting.filter((tail) => keyOf(tail.id) !== key);
  }

  /** Discards the tail of an earlier unexpected exit. */
  #ended({ id, failedStart }: Readonly<Process>, termination: Termination): void {
    const key = keyOf(id);
    const isFailedStart = failedStart?.id === termination.id;
    if (termination.expected === false || isFailedStart) this.#kept.delete(key);
    this.#lastTerminations.set(key, termination);
    this.#match(key);
    const { expected, pid } = termination;
    const isUnread = expected === false && !this.#kept.has(key) && !this.#options.readLog();
    if (isUnread && pid !== undefined) this.noticed(id, pid);
  }

  /** The time of its line in supervisord's log is known. */
  #settled(key: ProcessKey, terminationId: number, finishedAt: number | undefined): void {
    const termination = this.#lastTerminations.get(key);
    if (termination?.id !== terminationId || finishedAt === undefined) return;
    this.#lastTerminations.set(key, { ...termination, finishedAt });
    this.#match(key);
  }

  #addTail(tail: ReadTail): void {
    this.#waiting.push(tail);
    if (this.#waiting.length > MAX_WAITING) this.#waiting.shift();
    this.#match(keyOf(tail.id));
  }

  /** Keeps the tail of the last exit once both the tail and the termination are known. */
  #match(key: ProcessKey): void {
    const termination = this.#lastTerminations.get(key);
    if (termination === undefined) return;
    const tail = this.#waiting.find(
      (each) => keyOf(each.id) === key && isOf(each.run, termination),
    );
    if (tail === undefined) return;
    const { stream, text } = tail;
    this.#kept.set(key, { stream, text, at: termination.finishedAt });
    this.#waiting = this.#waiting.filter(
      (each) => keyOf(each.id) !== key || each.run.at > tail.run.at,
    );
  }

  /** Reads the log of stderr, or of stdout if that is empty; `denied` if supervisord has to be asked. */
  #readFiles(id: ProcessId): Pick<LogTail, 'stream' | 'text'> | 'denied' | undefined {
    const { table, maxBytes, supervisorPid } = this.#options;
    let isDenied = false;
    for (const { stream, path } of logsOf(table.get(id))) {
      const end = readLogEnd(path, `/proc/${supervisorPid}/cwd`, maxBytes);
      if (end.kind === 'read' && end.bytes.length > 0) {
        return { stream, text: toHarmlessText(end.bytes) };
      }
      isDenied ||= end.kind === 'denied';
    }
    return isDenied ? 'denied' : undefined;
  }

  async #callAll(client: Pick<RpcClient, 'multicallSettled'>): Promise<void> {
    this.#isAsking = true;
    while (this.#requests.length > 0) {
      const requests = this.#requests.splice(0, REQUESTS_PER_CALL);
      const began = performance.now();
      try {
        await this.#call(client, requests);
      } catch (error) {
        // A log may contain characters that are not allowed in XML.
        this.#options.log.debug?.('logs could not be read through XML-RPC', {
          reason: messageOf(error),
        });
      }
      const pause = this.#duty.record(began, performance.now());
      if (pause > 0) await sleep(pause, undefined, { ref: false });
    }
    this.#isAsking = false;
  }

  async #call(
    client: Pick<RpcClient, 'multicallSettled'>,
    requests: readonly TailRequest[],
  ): Promise<void> {
    const { table, maxBytes } = this.#options;
    const asked = requests.map((request) => ({
      ...request,
      logs: logsOf(table.get(request.id)),
    }));
    const results = await client.multicallSettled(
      asked.flatMap(({ id, logs }) => {
        const name = displayName(id);
        return [
          { methodName: 'supervisor.getProcessInfo', params: [name] },
          ...logs.map(({ stream }) => ({
            methodName: READ_METHODS[stream],
            params: [name, -maxBytes, 0],
          })),
        ];
      }),
    );
    // A tail of a logged exit counts only if the log shows no further start by now.
    const isLogComplete = this.#options.readLog();
    let next = 0;
    for (const { id, run, logs } of asked) {
      const [info, ...texts] = results.slice(next, next + 1 + logs.length);
      next += 1 + logs.length;
      const isCertain =
        run.kind === 'noticed' ||
        (isLogComplete && this.#options.evidence.isLastEnd(id.name, run.at));
      const at = texts.findIndex((text) => typeof text === 'string' && text !== '');
      const stream = logs[at]?.stream;
      if (stream === undefined || !isCertain || !hasEnded(info, run)) continue;
      this.#addTail({ id, run, stream, text: toHarmlessText(Buffer.from(String(texts[at]))) });
    }
  }
}

/** stderr before stdout; supervisord reports no log of stderr where redirect_stderr is set. */
function logsOf(
  process: Readonly<Process> | undefined,
): readonly { readonly stream: LogTail['stream']; readonly path: string }[] {
  if (process === undefined) return [];
  const { stderrLog, stdoutLog } = process;
  return [
    ...(stderrLog === undefined ? [] : [{ stream: 'stderr' as const, path: stderrLog }]),
    ...(stdoutLog === undefined ? [] : [{ stream: 'stdout' as const, path: stdoutLog }]),
  ];
}

function isOf(run: Run, termination: Termination): boolean {
  return run.kind === 'logged' ? run.at === termination.finishedAt : run.pid === termination.pid;
}

/** Whether the reply of getProcessInfo shows that the run has ended and no other has begun. */
function hasEnded(reply: unknown, run: Run): boolean {
  if (reply instanceof RpcError) return false;
  try {
    const { state, pid, start, stop } = parseProcessInfo(reply);
    const isDown = state === 'EXITED' || state === 'BACKOFF' || state === 'FATAL';
    const noticedFrom = run.at - NOTICED_WITHIN_SECONDS;
    // A later run may have ended as well where the exporter was late to notice.
    const isOfRun =
      run.kind === 'logged' || (start <= noticedFrom && stop >= Math.floor(noticedFrom));
    return isDown && pid === 0 && isOfRun;
  } catch {
    return false;
  }
}
