/**
 * Wakes supervisord when one of its programs has died.
 *
 * supervisord reaps a program that dies at once, but its loop sleeps up to a second before
 * it goes on to tell of it and to start it again. Anything readable ends that sleep, such
 * as somebody at its HTTP socket. So the pids of what runs are looked at, and when one is
 * gone without an event, somebody knocks. This makes the news come sooner; it is never the
 * news itself, so the worst that a mistake can do is to wake supervisord for nothing.
 */

import { connect } from 'node:net';
import type { Process } from './processes/process.ts';
import type { ProcessTable } from './processes/table.ts';
import type { SupervisorEndpoint } from './rpc/endpoint.ts';

/** What looking at pids may take of one core. */
const SHARE_OF_CORE = 0.01;
const SHORTEST_PAUSE_MS = 20;
/** supervisord wakes by itself after a second: looking less often than that is of no use. */
const LONGEST_PAUSE_MS = 1_000;
const KNOCK_TIMEOUT_MS = 1_000;

export interface NudgeOptions {
  readonly table: ProcessTable;
  /** Whether there is a process of this pid; a zombie is one. */
  readonly isAlive: (pid: number) => boolean;
  /** Ends supervisord's sleep. */
  readonly knock: () => void;
}

export class Nudge {
  readonly #options: NudgeOptions;
  /** The pids that supervisord was woken for, as long as the table still has them. */
  #told = new Set<number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: NudgeOptions) {
    this.#options = options;
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
    if (this.#hasNews()) this.#options.knock();
    const pause = (performance.now() - began) / SHARE_OF_CORE;
    this.#timer = setTimeout(
      () => this.#look(),
      Math.min(Math.max(pause, SHORTEST_PAUSE_MS), LONGEST_PAUSE_MS),
    );
  }

  /** Whether a process has died that supervisord was not woken for yet. */
  #hasNews(): boolean {
    let hasNews = false;
    const told = new Set<number>();
    for (const process of this.#options.table.values()) {
      const pid = livePid(process);
      if (pid === undefined) continue;
      const wasTold = this.#told.has(pid);
      if (!wasTold && this.#options.isAlive(pid)) continue;
      told.add(pid);
      hasNews ||= !wasTold;
    }
    this.#told = told;
    return hasNews;
  }
}

/** The pid of a process that is there for all we know. */
function livePid({ state, pid }: Readonly<Process>): number | undefined {
  return state === 'RUNNING' || state === 'STARTING' || state === 'STOPPING' ? pid : undefined;
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
