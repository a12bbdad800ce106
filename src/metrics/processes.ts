/**
 * The metrics of each process: the process table, written out.
 *
 * This is done here and not by prom-client because it is most of what a scrape shows, some
 * 20 series a process, and holds up every event while it is done. Lines are kept and only
 * those whose value has changed are written anew.
 */

import type { ProcessId } from '../processes/identity.ts';
import type { Process } from '../processes/process.ts';
import { endsOf, isUp, PROCESS_STATES, STATE_CODES } from '../processes/states.ts';
import type { ProcessTable } from '../processes/table.ts';
import { COMPAT_FAMILIES, type Compat } from './compat.ts';

export type View = Readonly<Process>;

/** A metric with at most one series a process. */
export interface Family {
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  /** undefined: the process has no such series now. */
  readonly value: (process: View) => number | undefined;
  /** Labels beside `name` and `group`, which may change. */
  readonly labels?: (process: View) => string;
  /** Whether it is known only where exit reasons are found out. */
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
    help: 'Exit status of the last exit, -1 for any signal. Where it could not be found out: what supervisord says, which is 0 once the process was started again.',
    value: (process) => process.exitStatus,
  },
  {
    name: 'supervisord_exit_signal',
    type: 'gauge',
    help: 'Number of the signal that was the last exit, 0 for none; absent where it is not known.',
    value: (process) => process.exitSignal,
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
    value: (process) => process.lastUnexpectedExitTime,
  },
  {
    name: 'supervisord_process_stop_time_seconds',
    type: 'gauge',
    help: 'When the process last ended, in epoch seconds.',
    value: (process) => process.stopTime,
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
    value: ({ settings }) => settings && Number(settings.autostart),
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

const TRANSITIONS_NAME = 'supervisord_process_transitions_total';
const TRANSITIONS_HEAD = headOf(
  TRANSITIONS_NAME,
  'counter',
  'Transitions of the process between two states.',
);

/** The lines of one process, and the values that they were written from. */
interface Lines {
  readonly labels: string;
  readonly values: (number | undefined)[];
  readonly further: string[];
  /** One a family; empty where there is no series. */
  readonly samples: string[];
  /** All transitions together, which grows with each of them. */
  transitionsTotal: number;
  transitions: string;
}

/** Writes the processes of a table in the Prometheus text format, 0.0.4. */
export class ProcessText {
  readonly #table: ProcessTable;
  readonly #families: readonly Family[];
  #version = -1;
  #text = '';
  /** By the record itself: a process that was removed and added back is another one. */
  readonly #lines = new WeakMap<View, Lines>();

  constructor(table: ProcessTable, shown: ShownFamilies) {
    this.#table = table;
    this.#families = [
      ...FAMILIES.filter(({ ofExitReasons = false }) => shown.exitReasons || !ofExitReasons),
      ...(shown.compat === undefined ? [] : COMPAT_FAMILIES[shown.compat]),
    ];
  }

  render(): string {
    if (this.#table.version !== this.#version) {
      this.#version = this.#table.version;
      this.#text = this.#write();
    }
    return this.#text;
  }

  #write(): string {
    const all = [...this.#table.values()].map((process) => this.#update(process));
    const parts: string[] = [];
    for (const [index, { name, type, help }] of this.#families.entries()) {
      parts.push(headOf(name, type, help));
      for (const { samples } of all) parts.push(samples[index] ?? '');
    }
    parts.push(TRANSITIONS_HEAD);
    for (const { transitions } of all) parts.push(transitions);
    return parts.join('');
  }

  #update(process: View): Lines {
    const lines = this.#lines.get(process) ?? newLines(process, this.#families);
    this.#lines.set(process, lines);
    for (const [index, { name, value, labels }] of this.#families.entries()) {
      const now = value(process);
      const further = now === undefined || labels === undefined ? '' : `,${labels(process)}`;
      if (lines.values[index] === now && lines.further[index] === further) continue;
      lines.values[index] = now;
      lines.further[index] = further;
      lines.samples[index] = now === undefined ? '' : `${name}{${lines.labels}${further}} ${now}\n`;
    }
    let total = 0;
    for (const count of process.transitions.values()) total += count;
    if (total !== lines.transitionsTotal) {
      lines.transitionsTotal = total;
      lines.transitions = writeTransitions(process, lines.labels);
    }
    return lines;
  }
}

function newLines({ id }: View, families: readonly Family[]): Lines {
  return {
    labels: labelsOf(id),
    values: families.map(() => undefined),
    further: families.map(() => ''),
    samples: families.map(() => ''),
    transitionsTotal: -1,
    transitions: '',
  };
}

function writeTransitions(process: View, labels: string): string {
  let text = '';
  for (const [transition, total] of process.transitions) {
    const [from, to] = endsOf(transition);
    text += `${TRANSITIONS_NAME}{${labels},from="${from}",to="${to}"} ${total}\n`;
  }
  return text;
}

export function headOf(name: string, type: Family['type'], help: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}

export function labelsOf({ group, name }: ProcessId): string {
  return `name="${escapeLabel(name)}",group="${escapeLabel(group)}"`;
}

/** Backslash, quote and newline are written with a backslash; nothing else is. */
function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
