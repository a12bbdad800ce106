/** Which runs are in supervisord's memory cgroup. */

import type { ChangeFeed } from '../processes/changes.ts';
import type { ProcessTable } from '../processes/table.ts';
import { keyOf, type ProcessKey } from '../supervisor/process-id.ts';

/** Processes whose cgroup is read at once. */
const READ_AT_ONCE = 20;

interface Run {
  readonly pid: number;
  /** Undefined before it was read, and where it cannot be read. */
  isMember: boolean | undefined;
}

export class CgroupMembers {
  readonly #readMembership: (pid: number) => boolean | undefined;
  readonly #runs = new Map<ProcessKey, Run>();
  readonly #unread = new Set<ProcessKey>();

  /** `readMembership`: whether a process is in supervisord's cgroup; undefined where that cannot be read. */
  constructor(readMembership: (pid: number) => boolean | undefined) {
    this.#readMembership = readMembership;
  }

  /** Notes each run once it is RUNNING: a command such as cgexec changes its cgroup before that. */
  follow(changes: ChangeFeed, table: ProcessTable): void {
    changes.subscribe((change) => {
      if (change.kind === 'removed') this.#forget(keyOf(change.process.id));
      if (change.kind === 'updated') {
        const { id, state, pid } = change.process;
        const isNew = this.#runs.get(keyOf(id))?.pid !== pid;
        if (state === 'RUNNING' && pid !== undefined && isNew) this.add(keyOf(id), pid);
      }
      if (change.kind === 'transition' && change.event.to === 'RUNNING') {
        const { process, pid } = change.event;
        const isKnown = table.get(process) !== undefined;
        if (isKnown && pid !== undefined) this.add(keyOf(process), pid);
      }
    });
  }

  /** Notes a run that is RUNNING. */
  add(key: ProcessKey, pid: number): void {
    this.#runs.set(key, { pid, isMember: undefined });
    this.#unread.add(key);
  }

  /** Reads the cgroups of some of the new runs. */
  readSome(): void {
    for (const key of [...this.#unread].slice(0, READ_AT_ONCE)) {
      this.#unread.delete(key);
      const run = this.#runs.get(key);
      if (run !== undefined) run.isMember = this.#readMembership(run.pid);
    }
  }

  /** Whether the run is in supervisord's cgroup; undefined where that is not known. */
  has(key: ProcessKey, pid: number | undefined): boolean | undefined {
    const run = this.#runs.get(key);
    return run?.pid === pid ? run?.isMember : undefined;
  }

  #forget(key: ProcessKey): void {
    this.#runs.delete(key);
    this.#unread.delete(key);
  }
}
