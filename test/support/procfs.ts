/** A fake /proc in a temporary folder, with files as in proc(5). */

import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface FakeProcess {
  readonly parent?: number;
  readonly name?: string;
  readonly state?: string;
  /** In ticks since boot. */
  readonly start?: number;
  /** utime, stime, cutime, cstime. */
  readonly cpu?: readonly [number, number, number, number];
  /** majflt, cmajflt. */
  readonly majorFaults?: readonly [number, number];
  /** In ticks. */
  readonly ioWait?: number;
  /** read_bytes and write_bytes. */
  readonly io?: readonly [number, number];
  /** Voluntary and other context switches. */
  readonly switches?: readonly [number, number];
  /** undefined: a kernel without swap. */
  readonly swapKilobytes?: number | undefined;
  /** In addition to the main thread. */
  readonly threads?: readonly number[];
  /** By child: the thread that forked it. All other children belong to the main thread. */
  readonly forkedBy?: Readonly<Record<number, number>>;
  readonly virtualBytes?: number;
  readonly residentPages?: number;
  readonly fds?: number;
  readonly maxFds?: number | 'unlimited';
}

export const PAGE_SIZE = 65_536;

/** The parent of a fake process unless another is given. */
export const SUPERVISORD = 4_000;

/** The exporter itself, in `self`. */
export const OWN = { pid: 4_001, parent: SUPERVISORD, start: 500 };

export function statOf(pid: number, process: FakeProcess = {}): string {
  const { parent = SUPERVISORD, name = 'cat', state = 'S', start = 1_000, threads = [] } = process;
  const [utime, stime, cutime, cstime] = process.cpu ?? [0, 0, 0, 0];
  const { virtualBytes = 8_192, majorFaults: [majflt, cmajflt] = [0, 0], ioWait = 0 } = process;
  return `${pid} (${name}) ${state} ${parent} ${pid} ${pid} 0 -1 4194304 107 0 ${majflt} ${cmajflt} ${utime} ${stime} ${cutime} ${cstime} 20 0 ${1 + threads.length} 0 ${start} ${virtualBytes} 999 18446744073709551615 1 1 0 0 0 0 0 0 2 0 0 0 17 1 0 0 ${ioWait} 0 0 0 0 0 0 0 0 0 0\n`;
}

export function limitsOf(soft: number | string): string {
  return `Limit                     Soft Limit           Hard Limit           Units     
Max cpu time              unlimited            unlimited            seconds   
Max processes             31807                31807                processes 
Max open files            ${String(soft).padEnd(21)}1048576              files     
Max locked memory         8388608              8388608              bytes     
`;
}

/** Pairs of 64-bit words. */
export function auxvOf(...pairs: readonly (readonly [key: number, value: number])[]): Uint8Array {
  return new Uint8Array(new BigUint64Array([...pairs, [0, 0]].flat().map(BigInt)).buffer);
}

/** A new folder, in memory as /proc is: its many small files would take most of a test on a disk. */
export function procFolder(): string {
  const memory = '/dev/shm';
  const parent = existsSync(memory) ? memory : tmpdir();
  return mkdtempSync(join(parent, 'supervisor-exporter-proc-'));
}

export class FakeProc {
  readonly root = procFolder();
  readonly #listsChildren: boolean;
  readonly #processes = new Map<number, FakeProcess>();

  constructor(options: { readonly listsChildren: boolean; readonly own?: typeof OWN }) {
    this.#listsChildren = options.listsChildren;
    const { own = OWN } = options;
    chmodSync(this.root, 0o755);
    this.putOwn(own);
    this.write('self/auxv', auxvOf([33, 2 ** 46], [6, PAGE_SIZE], [17, 100]));
    this.setUptime(100);
    chmodSync(join(this.root, 'uptime'), 0o666);
    if (options.listsChildren) this.write('thread-self/children', '');
  }

  putOwn(own: typeof OWN): void {
    this.write('self/stat', statOf(own.pid, own));
  }

  /** The sysctl kernel.task_delayacct; without a call there is none. */
  setDelayAccounting(isOn: boolean): void {
    this.write('sys/kernel/task_delayacct', isOn ? '1\n' : '0\n');
  }

  setUptime(seconds: number): void {
    this.write('uptime', `${seconds.toFixed(2)} 1.00\n`);
  }

  put(pid: number, process: FakeProcess): void {
    this.remove(pid);
    this.#processes.set(pid, process);
    const { threads = [], residentPages = 2, fds = 0, maxFds = 1_024 } = process;
    this.write(`${pid}/stat`, statOf(pid, process));
    this.write(`${pid}/statm`, `9999 ${residentPages} 300 4 0 100 0\n`);
    const { io: [read, written] = [0, 0], switches: [voluntary, other] = [0, 0] } = process;
    this.write(
      `${pid}/io`,
      `rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: ${read}\nwrite_bytes: ${written}\ncancelled_write_bytes: 5\n`,
    );
    const { swapKilobytes } = process;
    const swap = swapKilobytes === undefined ? '' : `VmSwap:\t    ${swapKilobytes} kB\n`;
    this.write(
      `${pid}/status`,
      `Name:\tcat\nVmRSS:\t 1000 kB\n${swap}Threads:\t1\nvoluntary_ctxt_switches:\t${voluntary}\nnonvoluntary_ctxt_switches:\t${other}\n`,
    );
    this.write(`${pid}/limits`, limitsOf(maxFds));
    mkdirSync(join(this.root, `${pid}/fd`));
    for (let fd = 0; fd < fds; fd++) this.write(`${pid}/fd/${fd}`, '');
    for (const thread of [pid, ...threads])
      mkdirSync(join(this.root, `${pid}/task/${thread}`), { recursive: true });
    this.#listChildren(pid);
    this.#listChildren(process.parent ?? SUPERVISORD);
  }

  remove(pid: number): void {
    const parent = this.#processes.get(pid)?.parent ?? SUPERVISORD;
    this.#processes.delete(pid);
    rmSync(join(this.root, String(pid)), { recursive: true, force: true });
    this.#listChildren(parent);
  }

  forbid(file: string): void {
    chmodSync(join(this.root, file), 0);
  }

  delete(): void {
    rmSync(this.root, { recursive: true, force: true });
  }

  #listChildren(pid: number | undefined): void {
    const known = pid === undefined ? undefined : this.#processes.get(pid);
    if (!this.#listsChildren || pid === undefined || known === undefined) return;
    const { threads = [], forkedBy = {} } = known;
    const children = [...this.#processes].filter(([, { parent }]) => parent === pid);
    for (const thread of [pid, ...threads]) {
      const own = children.filter(([child]) => (forkedBy[child] ?? pid) === thread);
      this.write(`${pid}/task/${thread}/children`, own.map(([child]) => `${child} `).join(''));
    }
  }

  write(file: string, content: string | Uint8Array): void {
    const path = join(this.root, file);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, content);
  }
}

/** Runs as the user nobody if we are root, since root may read everything. */
export async function asNobody<Result>(action: () => Promise<Result>): Promise<Result> {
  const NOBODY = 65_534;
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(NOBODY);
  try {
    return await action();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}
