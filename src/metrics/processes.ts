/** The metrics of each process: what is shown of a record of the process table. */

import { exitSignal, exitStatus, type Process } from '../processes/process.ts';
import type { ProcessId } from '../supervisor/process-id.ts';
import {
  endsOf,
  isUp,
  PROCESS_STATES,
  STATE_CODES,
  TRANSITIONS,
  type Transition,
} from '../supervisor/states.ts';
import { COMPAT_FAMILIES, type Compat } from './compat.ts';

export type View = Readonly<Process>;

export interface Metric {
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
}

/** At most one series a process: those of a metric, or of one that has several, one of them. */
export interface Series {
  readonly name: string;
  /** undefined: the process has no such series now. */
  readonly value: (process: View) => number | undefined;
  /** Labels beside `name` and `group`, as they are written behind those, with the comma. */
  readonly fixedLabels?: string;
  /** Labels beside `name` and `group` that may change. */
  readonly labels?: (process: View) => string;
}

/** A metric with at most one series a process. */
export interface Family extends Metric, Series {
  /** true: shown only with the collector exit-reason; false: only without it; undefined: always. */
  readonly ofExitReasons?: boolean;
}

/** What to show beside what always is. */
export interface ShownFamilies {
  readonly exitReasons: boolean;
  readonly compat?: Compat | undefined;
}

const FAMILIES: readonly Family[] = [
  {
    name: 'supervisord_up',
    type: 'gauge',
    help: 'Whether the process is up: 1 in STARTING or RUNNING, else 0.',
    value: (process) => (isUp(process.state) ? 1 : 0),
  },
  {
    name: 'supervisord_state',
    type: 'gauge',
    help: `State of the process: ${PROCESS_STATES.map((state) => `${STATE_CODES[state]} ${state}`).join(', ')}.`,
    value: (process) => STATE_CODES[process.state],
  },
  {
    name: 'supervisord_exit_status',
    type: 'gauge',
    help: 'Exit status of the last exit, -1 for any signal; absent from an exit until it is known.',
    value: exitStatus,
    ofExitReasons: true,
  },
  {
    name: 'supervisord_exit_status',
    type: 'gauge',
    help: 'Exit status of the last exit, -1 for any signal, as supervisord reports it by XML-RPC: 0 once the process was started again.',
    value: (process) => process.rpcExitStatus,
    ofExitReasons: false,
  },
  {
    name: 'supervisord_exit_signal',
    type: 'gauge',
    help: 'Number of the signal that was the last exit, 0 for none; absent where it is not known.',
    value: exitSignal,
    ofExitReasons: true,
  },
  {
    name: 'supervisord_start_time_seconds',
    type: 'gauge',
    help: 'When the present run of the process began, in epoch seconds; absent while it is down.',
    value: (process) => (isUp(process.state) ? process.startTime : undefined),
  },
  {
    name: 'supervisord_process_last_transition_timestamp_seconds',
    type: 'gauge',
    help: 'When the process last changed its state, in epoch seconds.',
    value: (process) => process.lastTransitionTime,
  },
  {
    name: 'supervisord_process_last_unexpected_exit_timestamp_seconds',
    type: 'gauge',
    help: 'When the process last exited with a code that is not in its exitcodes, or by a signal, in epoch seconds.',
    value: (process) => process.lastUnexpectedExit?.finishedAt,
  },
  {
    name: 'supervisord_process_stop_time_seconds',
    type: 'gauge',
    help: 'When the process last ended, in epoch seconds.',
    value: (process) => process.termination?.finishedAt,
  },
  {
    name: 'supervisord_process_backoff_tries',
    type: 'gauge',
    help: 'Attempts to start the process that have failed so far; 0 once it runs.',
    value: (process) => process.backoffTries,
  },
  {
    name: 'supervisord_process_start_retries',
    type: 'gauge',
    help: 'Failed attempts to start the process that are followed by another (startretries); behind them it is FATAL.',
    value: (process) => process.settings?.startRetries,
  },
  {
    name: 'supervisord_process_autostart',
    type: 'gauge',
    help: 'Whether the process is started together with supervisord (autostart).',
    value: ({ settings }) =>
      settings?.autostart === undefined ? undefined : Number(settings.autostart),
  },
  {
    name: 'supervisord_process_last_stop_duration_seconds',
    type: 'gauge',
    help: 'How long the last deliberate stop of the process took.',
    value: (process) => process.stopDuration,
  },
  {
    name: 'supervisord_process_stop_wait_seconds',
    type: 'gauge',
    help: 'How long the process is given to stop before it is killed (stopwaitsecs).',
    value: (process) => process.settings?.stopWaitSeconds,
  },
  {
    name: 'supervisord_process_spawn_error_info',
    type: 'gauge',
    help: 'Why the process could not be started, while it is BACKOFF or FATAL; always 1.',
    value: ({ spawnError }) => (spawnError === undefined ? undefined : 1),
    labels: ({ spawnError }) => `error="${escapeLabel(spawnError ?? '')}"`,
  },
  {
    name: 'supervisord_process_exits_total',
    type: 'counter',
    help: 'Exits of the process while it was RUNNING, expected or not.',
    value: (process) => process.exits,
  },
  {
    name: 'supervisord_process_unexpected_exits_total',
    type: 'counter',
    help: 'Exits with a code that is not in the exitcodes of the process, or by a signal.',
    value: (process) => process.unexpectedExits,
  },
];

export const TRANSITIONS_METRIC: Metric = {
  name: 'supervisord_process_transitions_total',
  type: 'counter',
  help: 'Transitions of the process between two states.',
};

export function familiesShown({ exitReasons, compat }: ShownFamilies): Family[] {
  return [
    ...FAMILIES.filter(({ ofExitReasons = exitReasons }) => ofExitReasons === exitReasons),
    ...(compat === undefined ? [] : COMPAT_FAMILIES[compat]),
  ];
}

/** The steps of Supervisor's diagram are counted from 0 on. */
export function seriesOfTransition(transition: Transition): Series {
  const [from, to] = endsOf(transition);
  const none = TRANSITIONS.includes(transition) ? 0 : undefined;
  return {
    name: TRANSITIONS_METRIC.name,
    fixedLabels: `,from="${from}",to="${to}"`,
    value: (process) => process.transitions.get(transition) ?? none,
  };
}

/** What stands before the series of a metric. */
export function headOf({ name, type, help }: Metric): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}

export function labelsOf({ group, name }: ProcessId): string {
  return `name="${escapeLabel(name)}",group="${escapeLabel(group)}"`;
}

/** Backslash, quote and newline are written with a backslash; nothing else is. */
function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
