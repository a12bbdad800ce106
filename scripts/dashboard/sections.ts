/** The panels of the dashboard, by section. The first two have no row: they are always shown. */

import {
  TableCellBackgroundDisplayMode,
  TableCellDisplayMode,
} from '@grafana/grafana-foundation-sdk/common';
import { signalName } from '../../src/supervisor/signals.ts';
import { type ProcessState, STATE_CODES } from '../../src/supervisor/states.ts';
import {
  type Column,
  chart,
  GREY,
  type Line,
  mapping,
  stat,
  table,
  timeline,
  type Values,
} from './panels.ts';
import {
  ALERTS,
  countExporters,
  countOf,
  countProcesses,
  DOWN,
  EXPORTER_HEALTH,
  EXPORTERS_DOWN,
  each,
  FAILED_STARTS,
  FATAL,
  GROUP_HEALTH,
  GROUPS_DOWN,
  LAST_EXIT_TIME,
  LAST_EXIT_UNEXPECTED,
  ofExporter,
  ofLastExits,
  ofProcess,
  RUNNING,
  STATE,
  STATES,
  starts,
  UNEXPECTED_EXIT,
  without,
} from './queries.ts';

const STATE_COLORS: Readonly<Record<ProcessState, string>> = {
  STOPPED: GREY,
  STARTING: 'blue',
  RUNNING: 'green',
  BACKOFF: 'orange',
  STOPPING: 'yellow',
  EXITED: 'purple',
  FATAL: 'red',
  UNKNOWN: 'dark-red',
};

const STATE_VALUES: Values = Object.fromEntries(
  (Object.keys(STATE_CODES) as ProcessState[]).map((state) => [
    STATE_CODES[state],
    { text: state, color: STATE_COLORS[state] },
  ]),
);

const SIGNALS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 31];
const SIGNAL_VALUES: Values = {
  0: { text: 'none' },
  ...Object.fromEntries(SIGNALS.map((number) => [number, { text: signalName(number) }])),
};

/** For columns of 0 and 1. */
const YES: Values = { 0: { text: 'no' }, 1: { text: 'yes', color: 'red' } };

const colored = {
  id: 'custom.cellOptions',
  value: {
    type: TableCellDisplayMode.ColorBackground,
    mode: TableCellBackgroundDisplayMode.Basic,
  },
};
const coloredText = {
  id: 'custom.cellOptions',
  value: { type: TableCellDisplayMode.ColorText },
};
const unit = (value: string, decimals = 0) => [
  { id: 'unit', value },
  { id: 'decimals', value: decimals },
];
const mapped = (values: Values) => ({ id: 'mappings', value: [mapping(values)] });

const PROCESS_LABELS = ['instance', 'group', 'name'];
const PROCESS_LEGEND = '{{group}}:{{name}} {{instance}}';

/** A metric of each process. */
const perProcess = (metric: string): Line => [ofProcess(metric), PROCESS_LEGEND];
const perExporter = (metric: string): Line => [ofExporter(metric), '{{instance}}'];

const UNEXPECTED_EXITS = ofProcess('supervisord_process_unexpected_exits_total');
const TRANSITIONS = ofProcess('supervisord_process_transitions_total');
const UP_SECONDS = ofProcess('supervisord_process_up_seconds_total');
const CPU_SECONDS = ofProcess('supervisord_process_cpu_seconds_total');

const latest = (metric: string) => each('max', ofProcess(metric));

/** What happened within a step of the chart, for each process to which it happened. */
const happened = (counter: string): Line => [
  `${each('sum', `increase(${counter}[$__rate_interval])`)} > 0`,
  PROCESS_LEGEND,
];

export const numbers = () => [
  stat({
    title: 'FATAL',
    description:
      'Processes that supervisord has stopped trying to start. They stay down until they are started by hand. Unknown while an exporter is down or not synced.',
    expr: countProcesses(FATAL),
    legend: 'FATAL',
  }),
  stat({
    title: 'Down unexpectedly',
    description:
      'Processes that are not up and were neither stopped on purpose nor ended as expected, FATAL ones included. Unknown while an exporter is down or not synced.',
    expr: countProcesses(DOWN),
    legend: 'down',
  }),
  stat({
    title: 'Groups with a process down',
    description:
      'Groups with a process that is down unexpectedly. Unknown while an exporter is down or not synced.',
    expr: countProcesses(GROUPS_DOWN),
    legend: 'groups',
  }),
  stat({
    title: 'Running',
    description:
      'Processes in RUNNING, of all processes. Unknown while an exporter is down or not synced.',
    expr: RUNNING,
    legend: 'of {{of}}',
    none: 'blue',
    color: 'blue',
    withName: true,
  }),
  stat({
    title: 'Exited unexpectedly',
    description:
      'Processes that exited unexpectedly within the time shown, also if they run again. Unknown while an exporter is down or not synced.',
    expr: countProcesses(UNEXPECTED_EXIT),
    legend: 'processes',
    color: 'orange',
  }),
  stat({
    title: 'Alerts firing',
    description:
      'Alerts of prometheus-rules that are firing. 0 is not green, because Prometheus may not have loaded the rules.',
    expr: ALERTS,
    legend: 'firing',
    none: 'text',
  }),
  stat({
    title: 'Exporters down',
    description:
      'Exporters that Prometheus cannot scrape, or that are gone. An exporter ends with its supervisord.',
    expr: EXPORTERS_DOWN,
    legend: 'down',
    unknown: { text: 'no exporter', color: 'red' },
  }),
  stat({
    title: 'Not synced',
    description:
      'Exporters that do not know all processes: supervisord has not answered since they started, or events were lost.',
    expr: countExporters('supervisord_exporter_synced', '== 0'),
    legend: 'exporters',
  }),
  stat({
    title: 'XML-RPC failing',
    description:
      'Exporters whose last XML-RPC call failed. Transitions are still reported, by events.',
    expr: countExporters('supervisord_exporter_rpc_up', '== 0'),
    legend: 'exporters',
  }),
  stat({
    title: 'supervisord hung',
    description:
      'Instances of supervisord that have not run for 5 s. They normally run at least once a second. Unknown where the exporter cannot read that.',
    expr: countExporters('supervisord_stalled', '== 1'),
    legend: 'supervisords',
  }),
  stat({
    title: 'Unreported exits',
    description:
      'Processes that are gone while supervisord has sent no event. Unknown while an exporter is down or not synced.',
    expr: countProcesses(
      `${ofProcess('supervisord_process_unreported_exit')} == 1`,
      ofProcess('supervisord_process_unreported_exit'),
    ),
    legend: 'processes',
  }),
  stat({
    title: 'Collectors failing',
    description: 'Exporters with a failed collector: resource usage or exit reasons are missing.',
    expr: countOf(
      `max by (job, instance) (${ofExporter('supervisord_exporter_collector_success')} == 0)`,
      ofExporter('supervisord_exporter_collector_success'),
      without(ofExporter('supervisord_exporter_collector_success')),
    ),
    legend: 'exporters',
    color: 'orange',
  }),
];

export const reasons = () => [
  timeline({
    title: 'Exporters and supervisords',
    description:
      'The worst problem of each exporter: Prometheus cannot scrape it, its supervisord hangs, it does not know all processes, or its XML-RPC calls fail.',
    expr: EXPORTER_HEALTH,
    legend: '{{instance}}',
    values: {
      0: { text: 'down', color: 'red' },
      1: { text: 'supervisord hung', color: 'dark-red' },
      2: { text: 'not synced', color: 'orange' },
      3: { text: 'XML-RPC fails', color: 'yellow' },
      4: { text: 'synced', color: 'green' },
    },
    of: 'exporter',
  })
    .height(5)
    .span(24),
  table({
    title: 'Errors at start',
    description: 'Why processes in BACKOFF or FATAL did not start, as supervisord reports it.',
    labels: [...PROCESS_LABELS, 'error'],
    columns: [
      {
        expr: `max by (instance, group, name, error) (${ofProcess('supervisord_process_spawn_error_info')})`,
      },
    ],
    of: 'process',
  }).span(10),
  table({
    title: 'Last terminations',
    description:
      'How and when each process last ended, the latest first. What is not known yet is empty. Exit code -1 stands for any signal.',
    labels: PROCESS_LABELS,
    columns: [
      { title: 'Ended', expr: LAST_EXIT_TIME, properties: unit('dateTimeFromNow') },
      {
        title: 'Unexpected',
        expr: ofLastExits(LAST_EXIT_UNEXPECTED),
        properties: [mapped({ 1: { text: 'yes', color: 'orange' } }), coloredText],
      },
      { title: 'Exit code', expr: ofLastExits(latest('supervisord_exit_status')) },
      {
        title: 'Signal',
        expr: ofLastExits(latest('supervisord_exit_signal')),
        properties: [mapped(SIGNAL_VALUES)],
      },
      {
        title: 'OOM killed',
        expr: ofLastExits(latest('supervisord_exit_oom_killed')),
        properties: [mapped(YES), coloredText],
      },
    ],
    sortBy: 'Ended',
    of: 'process',
  }).span(14),
  timeline({
    title: 'States',
    description:
      'The state of each process over time, and within each step the worst state that was scraped. Processes without trouble are shown if you choose "all processes" above. Transitions between two scrapes are counted below.',
    expr: STATES,
    legend: PROCESS_LEGEND,
    values: STATE_VALUES,
    of: 'process',
  })
    .height(12)
    .span(24),
];

const AVAILABILITY: readonly Column[] = (
  [
    ['10 minutes', 'last_over_time(', 'ratio10m', '[10m])'],
    ['An hour', '', 'ratio1h', ''],
    ['A day', '', 'ratio1d', ''],
    ['30 days', '', 'ratio30d', ''],
  ] as const
).map(([title, before, operations, after]) => ({
  title,
  expr: each(
    'max',
    `${before}${ofProcess(`instance_group_name:supervisord_process_up:${operations}`)}${after}`,
  ),
  properties: unit('percentunit', 3),
}));

export const processes = () => [
  table({
    title: 'Processes now',
    description:
      'Each process: its state, how long it has been up, and what happened within the time shown.',
    labels: PROCESS_LABELS,
    columns: [
      { title: 'State', expr: each('max', STATE), properties: [mapped(STATE_VALUES), colored] },
      {
        title: 'Up for',
        expr: `time() - ${latest('supervisord_start_time_seconds')}`,
        properties: unit('s'),
      },
      {
        title: 'Last unexpected exit',
        expr: `1000 * ${latest('supervisord_process_last_unexpected_exit_timestamp_seconds')}`,
        properties: unit('dateTimeFromNow'),
      },
      {
        title: 'Unexpected exits',
        expr: each('sum', `increase(${UNEXPECTED_EXITS}[$__range])`),
        properties: unit('none'),
      },
      {
        title: 'Starts',
        expr: each('sum', starts('$__range')),
        properties: unit('none'),
      },
      {
        title: 'OOM kills',
        expr: each(
          'sum',
          `increase(${ofProcess('supervisord_process_oom_kills_total')}[$__range])`,
        ),
        properties: unit('none'),
      },
      {
        title: 'Killed at stop',
        expr: each(
          'sum',
          `increase(${ofProcess('supervisord_process_stop_kills_total')}[$__range])`,
        ),
        properties: unit('none'),
      },
    ],
    of: 'process',
  })
    .height(10)
    .span(24),
  timeline({
    title: 'Groups',
    description:
      'Whether processes of a group are down unexpectedly. A group of an exporter that is down or not synced has no bar unless a process is known to be down.',
    expr: GROUP_HEALTH,
    legend: '{{group}} {{instance}}',
    values: {
      0: { text: 'none down', color: 'green' },
      1: { text: 'part down', color: 'orange' },
      2: { text: 'all down', color: 'red' },
    },
    of: 'group',
  })
    .height(8)
    .span(12),
  chart({
    title: 'Processes by state',
    description: 'Processes in each state.',
    unit: 'none',
    drawn: 'areas',
    lines: [[`sum by (state) (${ofExporter('supervisord_processes')})`, '{{state}}']],
  }),
  chart({
    title: 'Share of time up',
    description:
      'The share of time that each process was up (in STARTING or RUNNING). It comes from events, so times shorter than a scrape interval count.',
    unit: 'percentunit',
    lines: [[each('max', `clamp_max(rate(${UP_SECONDS}[$__rate_interval]), 1)`), PROCESS_LEGEND]],
  }),
  table({
    title: 'Availability',
    description:
      'The share of time that each process was up, by the recording rules of prometheus-rules. A deliberate stop counts as down.',
    labels: PROCESS_LABELS,
    columns: AVAILABILITY,
    of: 'process',
  }).span(12),
];

export const transitions = () => [
  chart({
    title: 'Unexpected exits by process',
    description:
      'Exits with a code that is not in exitcodes, or by a signal, for each process that had one.',
    unit: 'none',
    drawn: 'bars',
    lines: [happened(UNEXPECTED_EXITS)],
  }),
  chart({
    title: 'Failed starts by process',
    description: 'Starts that ended in BACKOFF, for each process that had one.',
    unit: 'none',
    drawn: 'bars',
    lines: [happened(FAILED_STARTS)],
  }),
  chart({
    title: 'Starts by process',
    description: 'Transitions to STARTING, for each process that had one.',
    unit: 'none',
    drawn: 'bars',
    lines: [[`${each('sum', starts('$__rate_interval'))} > 0`, PROCESS_LEGEND]],
  }),
  chart({
    title: 'Transitions by state',
    description: 'Transitions per second to each state.',
    unit: 'ops',
    drawn: 'areas',
    lines: [[`sum by (to) (rate(${TRANSITIONS}[$__rate_interval]))`, '{{to}}']],
  }),
  chart({
    title: 'OOM kills',
    description: "Runs that the kernel's OOM killer ended, for each process that had one.",
    unit: 'none',
    drawn: 'bars',
    lines: [happened(ofProcess('supervisord_process_oom_kills_total'))],
  }),
  chart({
    title: 'Killed at stop',
    description: 'Stops that ended in SIGKILL after stopwaitsecs, for each process that had one.',
    unit: 'none',
    drawn: 'bars',
    lines: [happened(ofProcess('supervisord_process_stop_kills_total'))],
  }),
  chart({
    title: 'Attempts to start against the limit',
    description:
      'Failed attempts to start, as a share of startretries. Above 1 the process is FATAL.',
    unit: 'percentunit',
    lines: [
      [
        `(${ofProcess('supervisord_process_backoff_tries')} > 0) / (${ofProcess('supervisord_process_start_retries')} > 0)`,
        PROCESS_LEGEND,
      ],
    ],
  }),
  chart({
    title: 'Stops against the limit',
    description:
      'How long the last deliberate stop took, as a share of stopwaitsecs. At 1 supervisord kills the process.',
    unit: 'percentunit',
    lines: [
      [
        `${ofProcess('supervisord_process_last_stop_duration_seconds')} / ${ofProcess('supervisord_process_stop_wait_seconds')}`,
        PROCESS_LEGEND,
      ],
    ],
  }),
];

export const resources = () => [
  chart({
    title: 'CPU',
    description: 'CPU time per second of each process and its descendants; 1 is one core.',
    unit: 'percentunit',
    lines: [[each('sum', `rate(${CPU_SECONDS}[$__rate_interval])`), PROCESS_LEGEND]],
  }),
  chart({
    title: 'CPU by mode',
    description: 'CPU time per second of all processes, in the kernel and outside of it.',
    unit: 'percentunit',
    drawn: 'areas',
    lines: [[`sum by (mode) (rate(${CPU_SECONDS}[$__rate_interval]))`, '{{mode}}']],
  }),
  chart({
    title: 'Resident memory',
    description:
      'Resident memory of each process and its descendants. Shared memory counts once for each of them.',
    unit: 'bytes',
    lines: [perProcess('supervisord_process_resident_memory_bytes')],
  }),
  chart({
    title: 'Memory of the cgroup',
    description:
      'Memory of the container or service in which supervisord runs, page cache included, and its limit where there is one.',
    unit: 'bytes',
    lines: [
      [ofExporter('supervisord_cgroup_memory_usage_bytes'), 'used {{instance}}'],
      [ofExporter('supervisord_cgroup_memory_limit_bytes'), 'limit {{instance}}'],
    ],
  }),
  chart({
    title: 'Virtual memory',
    description: 'Virtual memory of each process and its descendants.',
    unit: 'bytes',
    lines: [perProcess('supervisord_process_virtual_memory_bytes')],
  }),
  chart({
    title: 'Major page faults',
    description: 'Page faults per second that required a read from storage.',
    unit: 'ops',
    lines: [
      [
        each(
          'sum',
          `rate(${ofProcess('supervisord_process_major_page_faults_total')}[$__rate_interval])`,
        ),
        PROCESS_LEGEND,
      ],
    ],
  }),
  chart({
    title: 'Open file descriptors',
    description: 'Open file descriptors of each process and its descendants.',
    unit: 'none',
    lines: [perProcess('supervisord_process_open_fds')],
  }),
  chart({
    title: 'Descriptors against the limit',
    description: 'Open file descriptors as a share of the soft limit of the process.',
    unit: 'percentunit',
    lines: [
      [
        `${ofProcess('supervisord_process_open_fds')} / ${ofProcess('supervisord_process_max_fds')}`,
        PROCESS_LEGEND,
      ],
    ],
  }),
  chart({
    title: 'Threads',
    description: 'Threads of each process and its descendants.',
    unit: 'none',
    lines: [perProcess('supervisord_process_threads')],
  }),
  chart({
    title: 'Processes in the tree',
    description: 'Each process of Supervisor and its descendants, zombies included.',
    unit: 'none',
    lines: [perProcess('supervisord_process_subprocesses')],
  }),
];

/** What happened to each exporter within a step of the chart. */
const increaseOf = (metric: string, label: string, legend: string): Line => [
  `sum by (${label}) (increase(${ofExporter(metric)}[$__rate_interval]))`,
  legend,
];

const rateOf = (metric: string, label: string, legend: string): Line => [
  `sum by (${label}) (rate(${ofExporter(metric)}[$__rate_interval]))`,
  legend,
];

export const exporter = () => [
  timeline({
    title: 'Collectors',
    description: 'Whether the last run of each collector succeeded.',
    expr: ofExporter('supervisord_exporter_collector_success'),
    legend: '{{collector}} {{instance}}',
    values: { 0: { text: 'failed', color: 'red' }, 1: { text: 'succeeded', color: 'green' } },
    of: 'exporter',
  })
    .height(8)
    .span(12),
  chart({
    title: 'Duration of collectors',
    description: 'How long the last run of each collector took.',
    unit: 's',
    lines: [
      [ofExporter('supervisord_exporter_collector_duration_seconds'), '{{collector}} {{instance}}'],
    ],
  }),
  chart({
    title: 'Age of the last tick',
    description:
      'supervisord sends a tick each minute. If the last tick is much older than 60 s, supervisord hangs or does not send events to the exporter.',
    unit: 's',
    lines: [
      [
        `time() - ${ofExporter('supervisord_exporter_last_tick_timestamp_seconds')}`,
        '{{instance}}',
      ],
    ],
  }),
  chart({
    title: 'Events',
    description: 'Events per second that the exporter received, by type.',
    unit: 'ops',
    drawn: 'areas',
    lines: [rateOf('supervisord_exporter_events_total', 'event', '{{event}}')],
  }),
  chart({
    title: 'Events lost, redelivered, malformed',
    description:
      'Events that supervisord discarded, that were received again and not counted again, and that could not be understood.',
    unit: 'none',
    drawn: 'bars',
    lines: [
      increaseOf('supervisord_exporter_events_lost_total', 'instance', 'lost {{instance}}'),
      increaseOf(
        'supervisord_exporter_events_redelivered_total',
        'instance',
        'redelivered {{instance}}',
      ),
      increaseOf(
        'supervisord_exporter_events_malformed_total',
        'instance',
        'malformed {{instance}}',
      ),
    ],
  }),
  chart({
    title: 'Snapshots and corrections',
    description:
      'Snapshots of all processes, by what triggered them; those that failed; and states that they corrected.',
    unit: 'none',
    drawn: 'bars',
    lines: [
      increaseOf('supervisord_exporter_resyncs_total', 'trigger', 'requested: {{trigger}}'),
      increaseOf('supervisord_exporter_resync_failures_total', 'trigger', 'failed: {{trigger}}'),
      increaseOf(
        'supervisord_exporter_resync_corrections_total',
        'instance',
        'corrections {{instance}}',
      ),
    ],
  }),
  chart({
    title: 'Duration of a snapshot',
    description: 'How long the last snapshot took, from the request to its use.',
    unit: 's',
    lines: [perExporter('supervisord_exporter_resync_duration_seconds')],
  }),
  chart({
    title: 'Nudges',
    description: 'How often per second supervisord was woken because a process had exited.',
    unit: 'ops',
    lines: [rateOf('supervisord_exporter_nudges_total', 'instance', '{{instance}}')],
  }),
  chart({
    title: 'Alerts pushed',
    description: 'Alerts per second that Alertmanager accepted, and that it did not accept.',
    unit: 'ops',
    lines: [
      rateOf('supervisord_exporter_alerts_sent_total', 'alertmanager', 'sent to {{alertmanager}}'),
      rateOf(
        'supervisord_exporter_alerts_failed_total',
        'alertmanager',
        'failed to {{alertmanager}}',
      ),
    ],
  }),
  chart({
    title: 'Memory of the exporter',
    description: 'Resident memory of the exporter itself.',
    unit: 'bytes',
    lines: [perExporter('process_resident_memory_bytes')],
  }),
  chart({
    title: 'CPU of the exporter',
    description: 'CPU time per second of the exporter itself; 1 is one core.',
    unit: 'percentunit',
    lines: [[`rate(${ofExporter('process_cpu_seconds_total')}[$__rate_interval])`, '{{instance}}']],
  }),
  table({
    title: 'Versions',
    description:
      'supervisord, by version and identifier, and its exporter, by revision and version of Node.',
    labels: ['job', 'instance', 'identifier', 'version', 'revision', 'nodeversion'],
    columns: [
      {
        expr: `${ofExporter('supervisord_info')} * on (job, instance) group_left (revision, nodeversion) ${ofExporter('supervisord_exporter_build_info')}`,
      },
    ],
    of: 'exporter',
  }).span(12),
];
