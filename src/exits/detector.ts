/**
 * Wakes supervisord when one of its programs has died.
 *
 * supervisord reaps a program that dies at once, but its loop sleeps up to a second before
 * it goes on to tell of it and to start it again. Anything readable ends that sleep, such
 * as somebody at its HTTP socket. So the pids of what runs are looked at, and when one is
 * dead without an event, somebody knocks. This makes the news come sooner; it is never the
 * news itself, so the worst that a mistake can do is to wake supervisord for nothing.
 */

import { connect } from 'node:net';
import { livePid, type Process } from '../processes/process.ts';
import type { ProcessTable } from '../processes/table.ts';
import type { SupervisorEndpoint } from '../rpc/endpoint.ts';
import type { ProcessId } from '../supervisor/process-id.ts';

/** What looking at pids may take of one core. */
const SHARE_OF_CORE = 0.015;
const SHORTEST_PAUSE_MS = 25;
/** supervisord wakes by itself after a second: looking less often than that is of no use. */
const LONGEST_PAUSE_MS = 1_000;
const KNOCK_TIMEOUT_MS = 1_000;

/** Processes looked at in one turn of the event loop, so that no event waits for many. */
const LOOKS = 500;

/**
 * Processes looked at closely in a round, in turns, which takes ten times as long: whether
 * one is a zombie. On a busy machine supervisord can be woken by the closing pipes of a
 * program before that can be reaped, and then sleeps its second with the zombie there.
 */
const CLOSE_LOOKS = 2;

/** What there is of a process; `gone` is reaped. */
export type Remains = 'alive' | 'zombie' | 'gone';

/** A process whose pid is gone, and whose event is yet to come. */
export interface Death {
  readonly id: ProcessId;
  readonly pid: number;
}

export interface NudgeOptions {
  readonly table: ProcessTable;
  /** Looked at not so closely, a zombie is alive. */
  readonly lookAt: (pid: number, closely: boolean) => Remains;
  /**
   * Ends supervisord's sleep. `deaths` are those that it has reaped and not told of: where
   * they are asked about at once, that ends the sleep as well.
   */
  readonly wake: (deaths: readonly Death[]) => void;
}

/** All processes looked at once. */
interface Round {
  /** Those that are still to be looked at. */
  readonly processes: IterableIterator<Readonly<Process>>;
  looks: number;
  /** What supervisord was woken for, of those that have been. */
  readonly told: Map<number, Remains>;
}

function newRound(table: ProcessTable): Round {
  return { processes: table.values(), looks: 0, told: new Map() };
}

export class Nudge {
  readonly #options: NudgeOptions;
  /**
   * What supervisord was woken for, as long as the table still has the pid: once to have a
   * zombie reaped, and once to have the dead told of.
   */
  #told = new Map<number, Remains>();
  /** How far the close looks have come. */
  #turn = 0;
  #round: Round;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: NudgeOptions) {
    this.#options = options;
    this.#round = newRound(options.table);
  }

  start(): void {
    this.#timer = setTimeout(() => this.#look(), SHORTEST_PAUSE_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  /** The pause follows what looking took, so that its share of the core stays what it is. */
  #look(): void {
    const began = performance.now();
    const news = this.#findNews();
    if (news !== undefined) this.#options.wake(news);
    const pause = (performance.now() - began) / SHARE_OF_CORE;
    this.#timer = setTimeout(
      () => this.#look(),
      Math.min(Math.max(pause, SHORTEST_PAUSE_MS), LONGEST_PAUSE_MS),
    );
  }

  /**
   * Deaths that supervisord was not woken for yet, among some more of the processes; an empty
   * list where there are only zombies.
   */
  #findNews(): Death[] | undefined {
    const { processes, told } = this.#round;
    const last = this.#round.looks + LOOKS;
    let news: Death[] | undefined;
    while (this.#round.looks < last) {
      const { done, value: process } = processes.next();
      if (done) {
        this.#endRound();
        break;
      }
      const pid = livePid(process);
      if (pid === undefined) continue;
      const before = this.#told.get(pid) ?? 'alive';
      const known = before === 'gone' ? before : this.#lookAt(pid, this.#round.looks++, before);
      if (known === 'alive') continue;
      told.set(pid, known);
      if (known === before) continue;
      news ??= [];
      if (known === 'gone') news.push({ id: process.id, pid });
    }
    return news;
  }

  #endRound(): void {
    const { told, looks } = this.#round;
    this.#told = told;
    this.#turn = this.#turn + CLOSE_LOOKS < looks ? this.#turn + CLOSE_LOOKS : 0;
    this.#round = newRound(this.#options.table);
  }

  /** A zombie that is looked at not so closely is still one. */
  #lookAt(pid: number, index: number, before: Remains): Remains {
    const isItsTurn = index >= this.#turn && index < this.#turn + CLOSE_LOOKS;
    const remains = this.#options.lookAt(pid, isItsTurn);
    return remains === 'alive' ? before : remains;
  }
}

/** Connects to supervisord's HTTP server and hangs up: enough to end its sleep. */
export function knockAt(endpoint: SupervisorEndpoint): void {
  const socket =
    endpoint.kind === 'unix'
      ? connect({ path: endpoint.socketPath })
      : connect({ host: endpoint.host, port: endpoint.port });
  socket.setTimeout(KNOCK_TIMEOUT_MS, () => socket.destroy());
  socket.on('connect', () => socket.destroy());
  // Nobody there: supervisord wakes by itself, a little later.
  socket.on('error', () => {});
}
