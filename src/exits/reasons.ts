/**
 * Finds out why runs ended, which no event tells.
 *
 * XML-RPC knows the exit code until the program is started again, which with `autorestart`
 * is a turn of supervisord later: milliseconds once it is awake. So it is asked as soon as
 * a pid is seen to be gone, over a connection that is open already: that call is answered
 * in the turn before. What XML-RPC does not know any more, or never did (a signal is -1, a
 * program that fails to start has 0), stands in supervisord's log, which is read in the same
 * breath.
 *
 * None of this is on the way of an acknowledgement. Where nothing is found, what snapshots
 * say stands.
 */

import type { Change, ChangeFeed } from '../processes/changes.ts';
import type { ProcessTable } from '../processes/table.ts';
import { windowOfEvent } from '../processes/termination.ts';
import type { RpcCall, RpcClient } from '../rpc/client.ts';
import { parseProcessInfo } from '../rpc/snapshot.ts';
import { displayName, keyOf, type ProcessId, type ProcessKey } from '../supervisor/process-id.ts';
import type { ProcessInfo } from '../supervisor/snapshot.ts';
import { RpcError } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import type { Death } from './detector.ts';
import { LogFollower } from './follower.ts';
import { type LogLine, parseLog } from './log.ts';
import { type Finding, factsOf, findOut, isConclusive, type RunEnd } from './match.ts';
import { ToldRuns } from './runs.ts';

/** Lines of the log that are looked through for an end of which only the time is known. */
const MAX_LINES = 512;

/** A log that can't be read is not asked for again at each end. */
const LOG_PAUSE_MS = 60_000;

/** Processes asked about in one call. */
const MAX_ASKED = 50;

/** What asking may take of supervisord's time: in a storm it has better things to do, and the log has it all. */
const SHARE_OF_SUPERVISORD = 0.1;
/** What may be taken ahead of that: a few deaths in a row are each asked about at once. */
const AHEAD_MS = 500;
const LONGEST_PAUSE_MS = 1_000;

interface Question {
  readonly id: ProcessId;
  readonly end: RunEnd;
  /** Undefined: the event is yet to come, so that the pid alone says which end this is. */
  readonly terminationId: number | undefined;
}

export interface ExitReasonsOptions {
  /** One that keeps its connection open. */
  readonly client: Pick<RpcClient, 'multicallSettled' | 'close'>;
  readonly table: ProcessTable;
  readonly log: Logger;
  readonly changes: ChangeFeed;
}

export class ExitReasons {
  readonly #options: ExitReasonsOptions;
  /** What is to be asked; of each process the latest end. */
  readonly #questions = new Map<ProcessKey, Question>();
  readonly #follower: LogFollower;
  readonly #told = new ToldRuns();
  /** What was found out of runs whose event was not received yet. */
  readonly #early = new Map<
    ProcessKey,
    { readonly pid: number | undefined; readonly finding: Finding }
  >();
  readonly #groupsOfName = new Map<string, number>();
  #lines: readonly LogLine[] = [];
  #isAsking = false;
  #timer: NodeJS.Timeout | undefined;
  /** Milliseconds that were taken of supervisord and are not made up for by pauses, as of #takenAt. */
  #taken = 0;
  #takenAt = 0;
  /** Epoch milliseconds until which the log is left alone. */
  #logPausedUntil = 0;
  #hasLogTrouble = false;
  #hasSaidUnknown = false;

  constructor(options: ExitReasonsOptions) {
    this.#options = options;
    this.#follower = new LogFollower(options.client);
    options.changes.subscribe((change) => this.#handle(change));
  }

  #handle(change: Change): void {
    if (change.kind === 'added') this.#countName(change.process.id.name, 1);
    if (change.kind === 'removed') {
      this.#countName(change.process.id.name, -1);
      this.#questions.delete(keyOf(change.process.id));
    }
    if (change.kind !== 'exited') return;
    const { id } = change.process;
    const { id: terminationId, pid, window, reason } = change.termination;
    if (reason.kind === 'exited') return;
    const early = this.#early.get(keyOf(id));
    this.#early.delete(keyOf(id));
    const question = { id, end: { pid, window }, terminationId };
    if (early !== undefined && early.pid === pid) {
      this.#conclude(question, early.finding);
      return;
    }
    this.#questions.set(keyOf(id), question);
    const hasQuestions = this.#questions.size > 0;
    if (hasQuestions && !this.#isAsking && this.#timer === undefined) this.#askIn(0);
  }

  /**
   * Asks about runs that are over and whose events are yet to come, which wakes supervisord
   * as well. False where this has to wait: something is being asked, or has been just now.
   */
  foretell(deaths: readonly Death[]): boolean {
    const at = Date.now() / 1000;
    for (const { id, pid } of deaths) {
      this.#questions.set(keyOf(id), {
        id,
        end: { pid, window: windowOfEvent(at) },
        terminationId: undefined,
      });
    }
    if (this.#isAsking || this.#timer !== undefined) return false;
    void this.#ask();
    return true;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#questions.clear();
    this.#options.client.close();
  }

  #askIn(ms: number): void {
    this.#timer = setTimeout(() => void this.#ask(), ms);
  }

  async #ask(): Promise<void> {
    this.#timer = undefined;
    const questions = this.#takeQuestions();
    if (questions.length === 0) return;
    const began = performance.now();
    this.#isAsking = true;
    try {
      await this.#answer(questions);
    } catch (error) {
      // Snapshots say what is wrong with XML-RPC.
      this.#options.log.debug?.('why programs ended was not answered', { reason: String(error) });
      for (const question of questions) this.#conclude(question, NOTHING);
    }
    this.#isAsking = false;
    const pause = this.#pauseAfter(began);
    if (pause > 0 || this.#questions.size > 0) this.#askIn(pause);
  }

  /** Milliseconds to pause for, now that something has been asked. */
  #pauseAfter(began: number): number {
    const now = performance.now();
    const madeUpFor = (now - this.#takenAt) * SHARE_OF_SUPERVISORD;
    this.#taken = Math.max(0, this.#taken - madeUpFor) + now - began;
    this.#takenAt = now;
    const pause = Math.max(0, this.#taken - AHEAD_MS) / SHARE_OF_SUPERVISORD;
    return Math.min(pause, LONGEST_PAUSE_MS);
  }

  /** What has to be asked: not what the log has told already. */
  #takeQuestions(): Question[] {
    const taken: Question[] = [];
    for (const [key, question] of this.#questions) {
      if (taken.length === MAX_ASKED) break;
      this.#questions.delete(key);
      if (!this.#isTold(question)) taken.push(question);
    }
    return taken;
  }

  async #answer(questions: readonly Question[]): Promise<void> {
    const { infos, isBehind } = await this.#inquire(questions);
    for (const [index, question] of questions.entries()) {
      if (this.#isTold(question)) continue;
      // What is weighed by the time is the latest that fits, which may be in what is not read yet.
      if (isBehind) this.#askAgain(question);
      else this.#weigh(question, infos[index]);
    }
  }

  #weigh(question: Question, info: ProcessInfo | undefined): void {
    const { id, end } = question;
    const isShared = this.#isShared(id.name);
    const finding = findOut({ name: id.name, isShared, end }, this.#lines, info);
    this.#conclude(question, finding);
    if (!isConclusive(finding)) this.#sayUnknown(question, finding);
  }

  /** When more of the log has been read; unless there is a later end to ask about. */
  #askAgain(question: Question): void {
    const key = keyOf(question.id);
    if (!this.#questions.has(key)) this.#questions.set(key, question);
  }

  /** Whether the log has told why, so that nothing has to be weighed; the question is concluded then. */
  #isTold(question: Question): boolean {
    const { name } = question.id;
    const { pid } = question.end;
    if (pid === undefined || this.#isShared(name)) return false;
    const ending = this.#told.take(name, pid);
    if (ending === undefined) return false;
    this.#conclude(question, { ending, spawnError: undefined });
    return true;
  }

  #conclude({ id, end, terminationId }: Question, finding: Finding): void {
    const { table, changes } = this.#options;
    const known = table.get(id)?.termination;
    const isReported = end.pid !== undefined && known?.pid === end.pid;
    const reported = terminationId ?? (isReported ? known?.id : undefined);
    if (reported !== undefined) {
      changes.publish(table.setTerminationFacts(id, reported, factsOf(finding)));
    } else if (finding.ending !== undefined) {
      this.#early.set(keyOf(id), { pid: end.pid, finding });
    }
  }

  #countName(name: string, step: number): void {
    const count = (this.#groupsOfName.get(name) ?? 0) + step;
    if (count > 0) this.#groupsOfName.set(name, count);
    else this.#groupsOfName.delete(name);
  }

  #isShared(name: string): boolean {
    return (this.#groupsOfName.get(name) ?? 0) > 1;
  }

  /** What XML-RPC says of the processes; what the log says goes to what is remembered of it. */
  async #inquire(questions: readonly Question[]) {
    const { client } = this.#options;
    const calls = questions.map(({ id }) => askAbout(id));
    if (Date.now() < this.#logPausedUntil) {
      const results = await client.multicallSettled(calls);
      return { infos: results.map(readInfo), isBehind: false };
    }
    const { text, isBehind, trouble, results } = await this.#follower.read(calls);
    this.#noteLog(trouble?.message);
    const news = parseLog(text);
    this.#told.add(news);
    if (news.length > 0) this.#lines = [...this.#lines, ...news].slice(-MAX_LINES);
    return { infos: results.map(readInfo), isBehind };
  }

  /** Says once that the log can't be read, and once that it can be again. */
  #noteLog(trouble: string | undefined): void {
    const { log } = this.#options;
    if (trouble !== undefined) {
      this.#logPausedUntil = Date.now() + LOG_PAUSE_MS;
      if (!this.#hasLogTrouble) {
        log.warn("supervisord's log can't be read: signals, and some exit codes, are not known", {
          reason: trouble,
        });
      }
    } else if (this.#hasLogTrouble) log.info("supervisord's log can be read again");
    this.#hasLogTrouble = trouble !== undefined;
  }

  /** Says once that the log does not tell what it should. */
  #sayUnknown({ id, end }: Question, { ending }: Finding): void {
    const isReadable = !this.#hasLogTrouble;
    // Of ends that only a snapshot told of, the log may have forgotten.
    if (this.#hasSaidUnknown || !isReadable || ending !== undefined || end.pid === undefined)
      return;
    this.#hasSaidUnknown = true;
    this.#options.log.warn(
      "supervisord's log does not tell why a program ended: its loglevel has to be info or lower; this is said once",
      { process: displayName(id) },
    );
  }
}

const NOTHING: Finding = { ending: undefined, spawnError: undefined };

function askAbout({ group, name }: ProcessId): RpcCall {
  return { methodName: 'supervisor.getProcessInfo', params: [displayName({ group, name })] };
}

/** Undefined for a process that is gone. */
function readInfo(result: unknown): ProcessInfo | undefined {
  return result instanceof RpcError ? undefined : parseProcessInfo(result);
}
