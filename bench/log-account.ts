/** supervisord's own account of its programs, read off its log bit by bit as it grows. */

import { closeSync, openSync, readSync } from 'node:fs';
import { type ProgramAccount, readAccount, readDiscarded } from '../test/support/account.ts';

const CHUNK_BYTES = 1 << 20;
const NEWLINE = 0x0a;

export class LogAccount {
  readonly #fd: number;
  readonly #isWanted: (program: string) => boolean;
  readonly #programs = new Map<string, ProgramAccount>();
  readonly #chunk = Buffer.alloc(CHUNK_BYTES);
  #position = 0;
  #discarded = 0;

  /** Keeps account of these programs only, so that it does not grow with all that ever were. */
  constructor(file: string, isWanted: (program: string) => boolean) {
    this.#fd = openSync(file, 'r');
    this.#isWanted = isWanted;
  }

  get programs(): ReadonlyMap<string, Readonly<ProgramAccount>> {
    return this.#programs;
  }

  /** Events that supervisord says it dropped from the exporter's queue. */
  get discarded(): number {
    return this.#discarded;
  }

  /** Takes what has been written since, but for a line that has no end yet. */
  readOn(): void {
    for (;;) {
      const size = readSync(this.#fd, this.#chunk, 0, CHUNK_BYTES, this.#position);
      const whole = this.#chunk.subarray(0, size).lastIndexOf(NEWLINE) + 1;
      if (whole === 0) return;
      this.#take(this.#chunk.toString('utf8', 0, whole));
      this.#position += whole;
    }
  }

  sum(what: keyof ProgramAccount): number {
    return [...this.#programs.values()].reduce((total, program) => total + program[what], 0);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #take(lines: string): void {
    this.#discarded += readDiscarded(lines);
    for (const [name, account] of readAccount(lines)) {
      if (this.#isWanted(name)) this.#programs.set(name, add(account, this.#programs.get(name)));
    }
  }
}

function add(one: ProgramAccount, other: ProgramAccount | undefined): ProgramAccount {
  if (other === undefined) return one;
  return {
    spawned: one.spawned + other.spawned,
    exited: one.exited + other.exited,
    unexpected: one.unexpected + other.unexpected,
    stopped: one.stopped + other.stopped,
  };
}
