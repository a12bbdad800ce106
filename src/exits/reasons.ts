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

import type { Logger } from '../log.ts';
import type { Death } from '../nudge.ts';
import { endToldAt, type Finding, type RunEnd } from '../processes/ending.ts';
import { keyOf, type ProcessId, type ProcessKey } from '../processes/identity.ts';
import type { ProcessTable } from '../processes/table.ts';
import { type RpcClient, RpcError } from '../rpc/client.ts';
import type { ProcessInfo } from '../rpc/snapshot.ts';
import { type Answer, inquire } from './inquiry.ts';
import { parseLog } from './log.ts';
import { findOut, isConclusive } from './match.ts';
import { RememberedRuns } from './runs.ts';

/** Bytes of the log that are read, and those where what is sought is not in them. */
const FIRST_WINDOW = 8 * 1024;
const LARGER_WINDOWS = [64 * 1024, 512 * 1024] as const;

/** supervisord can't send what is not UTF-8, and a window may begin inside a character of so many bytes. */
const UTF8_BYTES = 4;

/** A log that can't be read is not asked for again at each end. */
const LOG_PAUSE_MS = 60_000;

/** Processes asked about in one call. */
const MAX_ASKED = 50;

/** What asking may take of supervisord's time: in a storm it has better things to do, and the log has it all. */
const SHARE_OF_SUPERVISORD = 0.1;
const LONGEST_PAUSE_MS = 1_000;

interface Question {
  readonly id: ProcessId;
  readonly end: RunEnd;
  /** The event is yet to come, so that the pid alone says which end this is. */
  readonly aheadOf: number | undefined;
}

/** A question, and what XML-RPC says of its process. */
interface Case {
  readonly question: Question;
  readonly info: ProcessInfo | undefined;
}

export interface ExitReasonsOptions {
  /** One that keeps its connection open. */
  readonly client: RpcClient;
  readonly table: ProcessTable;
  readonly log: Logger;
  /** Something was found out. */
  readonly onChange: () => void;
}

export class ExitReasons {
  readonly #options: ExitReasonsOptions;
  /** What is to be asked; of each process the latest end. */
  readonly #questions = new Map<ProcessKey, Question>();
  readonly #runs = new RememberedRuns();
  #isAsking = false;
  #timer: NodeJS.Timeout | undefined;
  /** Epoch milliseconds until which the log is left alone. */
  #logPausedUntil = 0;
  #hasLogTrouble = false;
  #hasSaidUnknown = false;

  constructor(options: ExitReasonsOptions) {
    this.#options = options;
  }

  /** The table may have ends without a reason. They are asked about once this turn is over. */
  poke(): void {
    for (const { id, end } of this.#options.table.takeUnexplained()) {
      this.#questions.set(keyOf(id), { id, end, aheadOf: undefined });
    }
    if (!this.#isAsking && this.#timer === undefined) this.#askIn(0);
  }

  /**
   * Asks about runs that are over and whose events are yet to come, which wakes supervisord
   * as well. False where this has to wait: something is being asked, or has been just now.
   */
  foretell(deaths: readonly Death[]): boolean {
    const at = Date.now() / 1000;
    for (const { id, pid } of deaths) {
      this.#questions.set(keyOf(id), { id, end: endToldAt(at, pid), aheadOf: pid });
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
    this.#options.onChange();
    const pause = (performance.now() - began) / SHARE_OF_SUPERVISORD;
    this.#askIn(Math.min(pause, LONGEST_PAUSE_MS));
  }

  /** What has to be asked: not what was read in the log already. */
  #takeQuestions(): Question[] {
    const shared = this.#sharedNames();
    const taken: Question[] = [];
    for (const [key, question] of this.#questions) {
      if (taken.length === MAX_ASKED) break;
      this.#questions.delete(key);
      const { name } = question.id;
      const ending = shared.has(name) ? undefined : this.#runs.endingOf(name, question.end.pid);
      if (ending === undefined) taken.push(question);
      else this.#conclude(question, { ending, spawnError: undefined });
    }
    return taken;
  }

  /** Reads more and more of the log until each question has its answer, or there is no more log. */
  async #answer(questions: readonly Question[]): Promise<void> {
    const first = await this.#inquire(questions, FIRST_WINDOW);
    const cases = questions.map((question, index) => ({ question, info: first.infos[index] }));
    let open = this.#settle(cases, first.log);
    let hasMore = isFull(first.log, FIRST_WINDOW);
    for (const window of LARGER_WINDOWS) {
      if (open.length === 0 || !hasMore) break;
      const { log } = await this.#inquire([], window);
      open = this.#settle(open, log);
      hasMore = isFull(log, window);
    }
    for (const { question, finding } of open) {
      this.#conclude(question, finding);
      this.#sayUnknown(question, finding);
    }
  }

  /** Concludes what can be, and returns the others with what little is known. */
  #settle<C extends Case>(cases: readonly C[], log: Answer['log']): (C & { finding: Finding })[] {
    const lines = typeof log === 'string' ? parseLog(log) : undefined;
    this.#runs.add(lines ?? []);
    const shared = this.#sharedNames();
    const judged = cases.map((each) => {
      const { id, end } = each.question;
      const sought = { name: id.name, isShared: shared.has(id.name), end };
      return { ...each, finding: findOut(sought, lines, each.info) };
    });
    for (const { question, finding } of judged) {
      if (isConclusive(finding)) this.#conclude(question, finding);
    }
    return judged.filter(({ finding }) => !isConclusive(finding));
  }

  #conclude({ id, end, aheadOf }: Question, finding: Finding): void {
    if (aheadOf === undefined) this.#options.table.explain(id, end, finding);
    else this.#options.table.foretell(id, aheadOf, finding);
  }

  async #inquire(questions: readonly Question[], window: number): Promise<Answer> {
    const { client } = this.#options;
    const processes = questions.map(({ id }) => id);
    if (Date.now() < this.#logPausedUntil) return inquire(client, processes, 0);
    const answer = await inquire(client, processes, window);
    const log = await this.#shiftIfCut(answer.log, window);
    this.#noteLog(log instanceof RpcError ? log.message : undefined);
    return { ...answer, log };
  }

  async #shiftIfCut(log: Answer['log'], window: number): Promise<Answer['log']> {
    let shifted = log;
    for (let shift = 1; shift < UTF8_BYTES && shifted instanceof RpcError; shift++) {
      shifted = (await inquire(this.#options.client, [], window - shift)).log;
    }
    return shifted;
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
      { process: keyOf(id) },
    );
  }

  /** Names that more than one group has, which the log can't tell apart. */
  #sharedNames(): ReadonlySet<string> {
    const names = new Set<string>();
    const shared = new Set<string>();
    for (const { id } of this.#options.table.values()) {
      if (names.has(id.name)) shared.add(id.name);
      names.add(id.name);
    }
    return shared;
  }
}

const NOTHING: Finding = { ending: undefined, spawnError: undefined };

/** Whether the log may have more than was read of it. */
function isFull(log: Answer['log'], window: number): boolean {
  return typeof log === 'string' && Buffer.byteLength(log) > window - UTF8_BYTES;
}
