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

import type { Change, ChangeFeed } from '../processes/changes.ts';
import type { LogTail } from '../processes/log-tail.ts';
import { causeOf, livePid, type Process } from '../processes/process.ts';
import type { ProcessTable } from '../processes/table.ts';
import type { Termination } from '../processes/termination.ts';
import type { RpcClient } from '../rpc/client.ts';
import { processInfoCall, readProcessInfo } from '../rpc/snapshot.ts';
import { displayName, keyOf, type ProcessId, type ProcessKey } from '../supervisor/process-id.ts';
import { messageOf } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import type { LogEntry, LogEvidence } from './evidence.ts';
import { toHarmlessText } from './harmless-text.ts';
import { readLogEnd } from './log-end.ts';
import type { Namesakes } from './namesakes.ts';
import { PacedCalls } from './paced-calls.ts';
import { hasWrittenNothing } from './run-activity.ts';

/** An exit that a line of supervisord's log reports. */
interface LoggedExit {
  readonly kind: 'logged';
  readonly id: ProcessId;
  /** The time of the line, in epoch seconds. */
  readonly at: number;
}

/** An exit that was noticed without that log. */
interface NoticedExit {
  readonly kind: 'noticed';
  readonly id: ProcessId;
  readonly pid: number;
  /** When it was noticed, in epoch seconds. */
  readonly at: number;
}

type DetectedExit = LoggedExit | NoticedExit;

type Tail = Pick<LogTail, 'stream' | 'text'>;

interface TailOfExit {
  readonly exit: DetectedExit;
  readonly tail: Tail;
}

/** `denied`: supervisord has to be asked. */
interface TailReading {
  readonly exit: LoggedExit;
  readonly tail: Tail | 'denied';
}

export interface LogTailsOptions {
  readonly table: ProcessTable;
  readonly changes: ChangeFeed;
  readonly namesakes: Namesakes;
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
/** An exit is noticed within this time, so only a run that began before that can be the one that ended. */
const LONGEST_NOTICE_SECONDS = 3;

export class LogTails {
  readonly #options: LogTailsOptions;
  /** The oldest first. */
  #waiting: TailOfExit[] = [];
  readonly #kept = new Map<ProcessKey, LogTail>();
  #requests: DetectedExit[] = [];
  readonly #calls = new PacedCalls(() => this.#call());

  constructor(options: LogTailsOptions) {
    this.#options = options;
    options.changes.subscribe((change) => this.#handle(change));
  }

  of(id: ProcessId): LogTail | undefined {
    return this.#kept.get(keyOf(id));
  }

  /** Reads the logs of processes whose exit was just logged. */
  read(entries: readonly LogEntry[]): readonly TailReading[] {
    const tails: TailReading[] = [];
    for (const { at, message } of entries) {
      if (message.kind !== 'ended' || message.expected !== false) continue;
      if (!this.#isBeforeNextOutput(message.name, at)) continue;
      for (const id of this.#options.namesakes.of(message.name)) {
        if (tails.length >= MAX_READ_AT_ONCE) return tails;
        const tail = this.#readFiles(id);
        if (tail !== undefined) tails.push({ exit: { kind: 'logged', id, at }, tail });
      }
    }
    return tails;
  }

  /** Keeps the tails of processes for which supervisord's log, read again after them, shows no further start. */
  keep(tails: readonly TailReading[]): void {
    for (const { exit, tail } of tails) {
      if (tail === 'denied') this.#request(exit);
      else if (this.#isBeforeNextOutput(exit.id.name, exit.at)) this.#addTail({ exit, tail });
    }
  }

  /** An exit without a line in supervisord's log; its event is still to come. */
  noticed(id: ProcessId, pid: number): void {
    this.#request({ kind: 'noticed', id, at: Date.now() / 1000, pid });
  }

  /** Asks supervisord about exits, where its log does not report starts. */
  logged(entries: readonly LogEntry[]): void {
    for (const { message } of entries) {
      if (message.kind !== 'ended' || message.expected !== false) continue;
      for (const id of this.#options.namesakes.of(message.name)) {
        const process = this.#options.table.get(id);
        const pid = process && livePid(process);
        if (pid !== undefined) this.noticed(id, pid);
      }
    }
  }

  #request(exit: DetectedExit): void {
    if (this.#options.client === undefined || this.#requests.length >= MAX_REQUESTS) return;
    this.#requests.push(exit);
    this.#calls.request();
  }

  /** Whether the process' log can have no output of a run after the exit that was logged at this time. */
  #isBeforeNextOutput(name: string, at: number): boolean {
    const {
      evidence,
      supervisorPid,
      hasWrittenNothing: isSilent = hasWrittenNothing,
    } = this.#options;
    if (evidence.isLastEnd(name, at)) return true;
    const next = evidence.pidAfterEnd(name, at);
    // Of several processes of this name, another one may have been started.
    const isAlone = this.#options.namesakes.of(name).length === 1;
    return next !== undefined && isAlone && isSilent(next, supervisorPid);
  }

  #handle(change: Change): void {
    switch (change.kind) {
      case 'removed': {
        const key = keyOf(change.process.id);
        this.#kept.delete(key);
        this.#waiting = this.#waiting.filter(({ exit }) => keyOf(exit.id) !== key);
        return;
      }
      case 'exited':
        this.#ended(change.process, change.termination);
        return;
      case 'reason':
        // The time of its line in supervisord's log is known.
        this.#match(change.id);
        this.#readLate(change.id, change.terminationId);
        return;
      default:
    }
  }

  /** Discards the tail of the previous exit, and keeps or requests that of this one. */
  #ended({ id, failedStart }: Readonly<Process>, termination: Termination): void {
    const key = keyOf(id);
    const isFailedStart = failedStart?.id === termination.id;
    if (termination.expected === false || isFailedStart) this.#kept.delete(key);
    this.#match(id);
    const { expected, pid } = termination;
    const isUnread = expected === false && !this.#kept.has(key) && !this.#options.readLog();
    if (isUnread && pid !== undefined) this.noticed(id, pid);
  }

  /** Reads the log of a process whose tail was not read when its exit was logged. */
  #readLate(id: ProcessId, terminationId: number): void {
    const process = this.#options.table.get(id);
    const end = process && causeOf(process);
    if (end?.id !== terminationId || this.#kept.has(keyOf(id))) return;
    const { expected, timeSource, finishedAt: at } = end;
    const isFailedStart = process?.state === 'BACKOFF' || process?.state === 'FATAL';
    if (timeSource !== 'log' || (expected !== false && !isFailedStart)) return;
    if (!this.#options.readLog() || !this.#isBeforeNextOutput(id.name, at)) return;
    const tail = this.#readFiles(id);
    if (tail === undefined || !this.#options.readLog()) return;
    this.keep([{ exit: { kind: 'logged', id, at }, tail }]);
  }

  #addTail(tail: TailOfExit): void {
    this.#waiting.push(tail);
    if (this.#waiting.length > MAX_WAITING) this.#waiting.shift();
    this.#match(tail.exit.id);
  }

  /** Keeps the tail of the last exit once both the tail and the termination are known. */
  #match(id: ProcessId): void {
    const process = this.#options.table.get(id);
    const termination = process?.failedStart ?? process?.termination;
    if (termination === undefined) return;
    const key = keyOf(id);
    const isOfProcess = ({ exit }: TailOfExit) => keyOf(exit.id) === key;
    const found = this.#waiting.find(
      (each) => isOfProcess(each) && isExitOf(each.exit, termination),
    );
    if (found === undefined) return;
    this.#kept.set(key, { ...found.tail, at: termination.finishedAt });
    // The event of an end that only a snapshot has reported may follow.
    if (termination.serial === undefined) return;
    this.#waiting = this.#waiting.filter(
      (each) => !isOfProcess(each) || each.exit.at > found.exit.at,
    );
  }

  /** Reads the log of stderr, or of stdout if that is empty; `denied` if supervisord has to be asked. */
  #readFiles(id: ProcessId): Tail | 'denied' | undefined {
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

  async #call(): Promise<void> {
    const requests = this.#requests.splice(0, REQUESTS_PER_CALL);
    try {
      await this.#ask(requests);
    } catch (error) {
      // A log may contain characters that are not allowed in XML.
      this.#options.log.debug?.('logs could not be read through XML-RPC', {
        reason: messageOf(error),
      });
    }
    if (this.#requests.length > 0) this.#calls.request();
  }

  async #ask(requests: readonly DetectedExit[]): Promise<void> {
    const { table, maxBytes, client } = this.#options;
    if (client === undefined || requests.length === 0) return;
    const asked = requests.map((exit) => ({ exit, logs: logsOf(table.get(exit.id)) }));
    const results = await client.multicallSettled(
      asked.flatMap(({ exit, logs }) => {
        const params = [displayName(exit.id), -maxBytes, 0];
        const reads = logs.map(({ stream }) => ({ methodName: READ_METHODS[stream], params }));
        return [processInfoCall(exit.id), ...reads];
      }),
    );
    // A tail of a logged exit counts only if the log shows no further start by now.
    const isLogComplete = this.#options.readLog();
    let next = 0;
    for (const { exit, logs } of asked) {
      const [info, ...texts] = results.slice(next, next + 1 + logs.length);
      next += 1 + logs.length;
      const isCertain =
        exit.kind === 'noticed' ||
        (isLogComplete && this.#options.evidence.isLastEnd(exit.id.name, exit.at));
      const at = texts.findIndex((text) => typeof text === 'string' && text !== '');
      const stream = logs[at]?.stream;
      if (stream === undefined || !isCertain || !isStillDown(info, exit)) continue;
      const tail = { stream, text: toHarmlessText(Buffer.from(String(texts[at]))) };
      this.#addTail({ exit, tail });
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

function isExitOf(exit: DetectedExit, { finishedAt, pid }: Termination): boolean {
  return exit.kind === 'logged' ? exit.at === finishedAt : exit.pid === pid;
}

/** Whether the reply of getProcessInfo shows that the run has ended and no other has begun. */
function isStillDown(reply: unknown, exit: DetectedExit): boolean {
  const info = readProcessInfo(reply);
  if (info === undefined) return false;
  const isDown = info.state === 'EXITED' || info.state === 'BACKOFF' || info.state === 'FATAL';
  if (!isDown || info.pid !== 0) return false;
  if (exit.kind === 'logged') return true;
  // A later run may have ended as well where the exporter was late to notice.
  const noticedFrom = exit.at - LONGEST_NOTICE_SECONDS;
  return info.start <= noticedFrom && info.stop >= Math.floor(noticedFrom);
}
