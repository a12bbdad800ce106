/** The collector "resources", with --collector.resources.io: what needs two more files of each process. */

import type { PausableWork } from '../util/time-slice.ts';
import { CounterAccumulator, type Member } from './counter-accumulator.ts';
import type { Counters, ProcStat, ProcStatus } from './formats.ts';
import type { ProcFs } from './procfs.ts';
import type { Tree } from './tree.ts';

/** Of the main process and its descendants; undefined where it cannot be read of all of them. */
export interface IoUsage {
  readonly readBytes: number | undefined;
  readonly writtenBytes: number | undefined;
  readonly swapBytes: number | undefined;
  readonly voluntarySwitches: number | undefined;
  readonly involuntarySwitches: number | undefined;
}

const BYTES = ['read', 'written'] as const;
const SWITCHES = ['voluntary', 'involuntary'] as const;

const NO_BYTES: Counters<(typeof BYTES)[number]> = { read: 0, written: 0 };
const NO_SWITCHES: Counters<(typeof SWITCHES)[number]> = { voluntary: 0, involuntary: 0 };

export class IoAccount {
  readonly #bytes = new CounterAccumulator(BYTES);
  readonly #switches = new CounterAccumulator(SWITCHES);

  *measure({ members, reparented }: Tree, proc: ProcFs): PausableWork<IoUsage> {
    const bytes = new Reading(this.#bytes.members);
    const switches = new Reading(this.#switches.members);
    let swapBytes: number | undefined = 0;
    for (const [pid, stat] of members) {
      // The files of a zombie may be unreadable; its counters do not change any more.
      const status = stat.isZombie ? 'gone' : proc.status(pid);
      const io = stat.isZombie ? 'gone' : proc.io(pid);
      // The kernel adds the bytes of a child to the same number of its parent.
      bytes.note(pid, stat, io === 'gone' ? io : io && { own: NO_BYTES, reaped: io });
      switches.note(pid, stat, status === 'gone' ? status : switchesOf(status));
      if (status !== 'gone') {
        const swapped = status?.swapBytes;
        swapBytes =
          swapBytes === undefined || swapped === undefined ? undefined : swapBytes + swapped;
      }
      yield;
    }
    const totalBytes = bytes.isComplete ? this.#bytes.add(bytes.members, reparented) : undefined;
    const totalSwitches = switches.isComplete
      ? this.#switches.add(switches.members, reparented)
      : undefined;
    return {
      readBytes: totalBytes?.read,
      writtenBytes: totalBytes?.written,
      swapBytes,
      voluntarySwitches: totalSwitches?.voluntary,
      involuntarySwitches: totalSwitches?.involuntary,
    };
  }
}

type Values<Name extends string> = Pick<Member<Name>, 'own' | 'reaped'>;

/** The members of a tree with counters of one file. */
class Reading<Name extends string> {
  readonly members = new Map<number, Member<Name>>();
  /** Whether the file could be read of all members. */
  isComplete = true;
  readonly #before: ReadonlyMap<number, Member<Name>>;

  constructor(before: ReadonlyMap<number, Member<Name>>) {
    this.#before = before;
  }

  /** Of a member that is `gone` by now, or a zombie, the last values count. */
  note(pid: number, { parent, start }: ProcStat, values: Values<Name> | 'gone' | undefined): void {
    if (values === undefined) {
      this.isComplete = false;
    } else if (values !== 'gone') {
      this.members.set(pid, { parent, start, ...values });
    } else {
      const before = this.#before.get(pid);
      if (before?.start === start) this.members.set(pid, { ...before, parent });
    }
  }
}

function switchesOf(
  status: Pick<ProcStatus, 'voluntary' | 'involuntary'> | undefined,
): Values<(typeof SWITCHES)[number]> | undefined {
  const { voluntary, involuntary } = status ?? {};
  if (voluntary === undefined || involuntary === undefined) return undefined;
  return { own: { voluntary, involuntary }, reaped: NO_SWITCHES };
}
