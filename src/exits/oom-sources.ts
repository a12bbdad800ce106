/**
 * The sources from which OOM kills are read. A record of /dev/kmsg is
 * `PRIORITY,SEQUENCE,MICROSECONDS,FLAGS;TEXT` (Documentation/ABI/testing/dev-kmsg).
 */

import {
  closeSync,
  constants,
  type FSWatcher,
  openSync,
  readlinkSync,
  readSync,
  statSync,
  watch,
} from 'node:fs';
import { errorCode, ifReadable } from '../util/errno.ts';
import { findMemoryCgroup, readCounter, readMemoryGroup } from '../util/memory-cgroup.ts';
import type { KernelLog, OomSources } from './oom-kills.ts';

/** The initial namespaces have fixed inodes (include/linux/proc_ns.h). */
const INITIAL_PID_NAMESPACE = 'pid:[4026531836]';
const INITIAL_CGROUP_NAMESPACE = 'cgroup:[4026531835]';

/** Major 1, minor 11 (Documentation/admin-guide/devices.txt). */
const KMSG_DEVICE = 0x10b;
/** The longest record (CONSOLE_EXT_LOG_MAX). */
const RECORD_BYTES = 8 * 1024;
/** Each takes some 5 µs. Further records are read the next time. */
const RECORDS_PER_READING = 500;

const COUNTER = 'oom_kill';

export interface OpenOomSources {
  readonly sources: OomSources;
  /** Calls `onChange` when the counter of the cgroup may have changed; with cgroup v1 never. */
  readonly watch: (onChange: () => void) => void;
  readonly close: () => void;
}

/**
 * undefined where the kernel has no counter of OOM kills. The exporter is a child of supervisord,
 * and so in its cgroup. `root`: the root of the file system, for tests.
 */
export function openOomSources(root = ''): OpenOomSources | undefined {
  const vmstat = `${root}/proc/vmstat`;
  if (readCounter(vmstat, COUNTER) === undefined) return undefined;
  const cgroup = findMemoryCgroup(root);
  const counter = cgroup && `${cgroup.folders[0]}/${COUNTER_FILES[cgroup.version]}`;
  const isKernelOwn = linkOf(`${root}/proc/self/ns/pid`) === INITIAL_PID_NAMESPACE;
  const kernelLog = isKernelOwn ? openKernelLog(`${root}/dev/kmsg`) : undefined;
  const isInitial = linkOf(`${root}/proc/self/ns/cgroup`) === INITIAL_CGROUP_NAMESPACE;
  const watchers: FSWatcher[] = [];
  return {
    sources: {
      readCounters: () => ({
        host: readCounter(vmstat, COUNTER),
        cgroup: counter === undefined ? undefined : readCounter(counter, COUNTER),
      }),
      readKernelLog: kernelLog?.read,
      isHostRoot: isInitial && cgroup?.path === '/',
      sharesCgroup: (pid) => {
        const group = readMemoryGroup(`${root}/proc/${pid}/cgroup`);
        return group === undefined || cgroup === undefined ? undefined : group.path === cgroup.path;
      },
    },
    watch: (onChange) => {
      // cgroup v1 does not report changes to inotify.
      if (counter === undefined || cgroup?.version !== 2) return;
      // The counter is also read at intervals.
      const watcher = ifReadable(() => watch(counter, { persistent: false }, onChange));
      if (watcher === undefined) return;
      watcher.on('error', () => watcher.close());
      watchers.push(watcher);
    },
    close: () => {
      for (const watcher of watchers) watcher.close();
      kernelLog?.close();
    },
  };
}

/** The counter of v2 includes the descendants of the group. */
const COUNTER_FILES = { 1: 'memory.oom_control', 2: 'memory.events' } as const;

function openKernelLog(
  path: string,
): { readonly read: () => KernelLog; readonly close: () => void } | undefined {
  // A container may have something else there, which reports no victims.
  const isKernelLog = ifReadable(() => statSync(path).rdev) === KMSG_DEVICE;
  if (!isKernelLog) return undefined;
  const fd = ifReadable(() => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK));
  if (fd === undefined) return undefined;
  const buffer = Buffer.alloc(RECORD_BYTES);
  const read = () => {
    const pids: number[] = [];
    let isComplete = true;
    for (let record = 0; record < RECORDS_PER_READING; record++) {
      try {
        const length = readSync(fd, buffer, 0, buffer.length, null);
        if (length === 0) return { pids, isComplete };
        const pid = victimOf(buffer.toString('latin1', 0, length));
        if (pid !== undefined) pids.push(pid);
      } catch (error) {
        switch (errorCode(error)) {
          case 'EAGAIN':
            return { pids, isComplete };
          case 'EPIPE':
            // Records were overwritten; the next read continues after them.
            isComplete = false;
            break;
          default:
            return { pids, isComplete: false };
        }
      }
    }
    return { pids, isComplete: false };
  };
  return { read, close: () => closeSync(fd) };
}

/**
 * The pid of the process that a record reports as killed. A record that a program wrote to /dev/kmsg has a
 * facility, so its priority is above 7. Linux 3.10 adds the UID after the pid.
 */
export function victimOf(record: string): number | undefined {
  const [, pid] =
    /^[0-7],[^;]*;(?:(?:Memory cgroup out|Out) of memory[^:]*: )?Killed process (\d+)(?:,| \()/.exec(
      record,
    ) ?? [];
  return pid === undefined ? undefined : Number(pid);
}

function linkOf(path: string): string | undefined {
  return ifReadable(() => readlinkSync(path));
}
