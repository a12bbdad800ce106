/** The metric families of the collector "resources". */

import type { ProcessFamily } from './family.ts';

const CPU = {
  name: 'supervisord_process_cpu_seconds_total',
  help: 'CPU time used by the process and its descendants, including those that have exited.',
} as const;

const SWITCHES = {
  name: 'supervisord_process_context_switches_total',
  help: 'Context switches of the main threads of the process and its descendants, including those that have exited.',
} as const;

export const USAGE_FAMILIES: readonly ProcessFamily[] = [
  {
    ...CPU,
    fixedLabels: { mode: 'user' },
    value: (_, { usage }) => usage?.cpuUserSeconds,
  },
  {
    ...CPU,
    fixedLabels: { mode: 'system' },
    value: (_, { usage }) => usage?.cpuSystemSeconds,
  },
  {
    name: 'supervisord_process_resident_memory_bytes',
    help: 'Resident memory of the process and its descendants; shared memory counts once for each of them.',
    value: (_, { usage }) => usage?.residentBytes,
  },
  {
    name: 'supervisord_process_virtual_memory_bytes',
    help: 'Virtual memory of the process and its descendants.',
    value: (_, { usage }) => usage?.virtualBytes,
  },
  {
    name: 'supervisord_process_threads',
    help: 'Threads of the process and its descendants.',
    value: (_, { usage }) => usage?.threads,
  },
  {
    name: 'supervisord_process_open_fds',
    help: 'Open file descriptors of the process and its descendants.',
    value: (_, { usage }) => usage?.openFds,
  },
  {
    name: 'supervisord_process_max_fds',
    help: 'Soft limit of open file descriptors of the process itself.',
    value: (_, { usage }) => usage?.maxFds,
  },
  {
    name: 'supervisord_process_subprocesses',
    help: 'Processes in the tree of the process: itself and its descendants, including zombies.',
    value: (_, { usage }) => usage?.processes,
  },
  {
    name: 'supervisord_process_major_page_faults_total',
    help: 'Page faults of the process and its descendants that required a read from storage, including those that have exited.',
    value: (_, { usage }) => usage?.majorPageFaults,
  },
  {
    name: 'supervisord_process_io_wait_seconds_total',
    help: 'Time that the main threads of the process and its descendants waited for block I/O; absent unless the kernel accounts it (sysctl kernel.task_delayacct, since Linux 5.14).',
    value: (_, { usage }) => usage?.ioWaitSeconds,
  },
];

/** With --collector.resources.io. */
export const IO_FAMILIES: readonly ProcessFamily[] = [
  {
    name: 'supervisord_process_read_bytes_total',
    help: 'Bytes that the process and its descendants read from storage, including those that have exited.',
    value: (_, { usage }) => usage?.io?.readBytes,
  },
  {
    name: 'supervisord_process_written_bytes_total',
    help: 'Bytes that the process and its descendants wrote to storage, including those that have exited.',
    value: (_, { usage }) => usage?.io?.writtenBytes,
  },
  {
    name: 'supervisord_process_swap_bytes',
    help: 'Swapped memory of the process and its descendants.',
    value: (_, { usage }) => usage?.io?.swapBytes,
  },
  {
    ...SWITCHES,
    fixedLabels: { type: 'voluntary' },
    value: (_, { usage }) => usage?.io?.voluntarySwitches,
  },
  {
    ...SWITCHES,
    fixedLabels: { type: 'involuntary' },
    value: (_, { usage }) => usage?.io?.involuntarySwitches,
  },
];
