/** The metrics of each process: the process table, projected. */

import { Counter, Gauge, type Registry } from 'prom-client';
import type { Process } from '../processes/process.ts';
import { endsOf, isUp, PROCESS_STATES, STATE_CODES } from '../processes/states.ts';
import type { ProcessTable } from '../processes/table.ts';

type View = Readonly<Process>;

interface Family {
  readonly name: string;
  readonly help: string;
  /** undefined: the process has no such series now. */
  readonly value: (process: View) => number | undefined;
}

interface Total {
  readonly name: string;
  readonly help: string;
  readonly value: (process: View) => number;
}

const GAUGES: readonly Family[] = [
  {
    name: 'supervisord_up',
    help: 'Whether the process is up: 1 in STARTING or RUNNING, else 0.',
    value: (process) => (isUp(process.state) ? 1 : 0),
  },
  {
    name: 'supervisord_state',
    help: `State of the process: ${PROCESS_STATES.map((state) => `${STATE_CODES[state]} ${state}`).join(', ')}.`,
    value: (process) => STATE_CODES[process.state],
  },
  {
    name: 'supervisord_exit_status',
    help: 'Exit status of the last exit, as supervisord tells it: -1 for any signal, 0 once started again.',
    value: (process) => process.exitStatus,
  },
  {
    name: 'supervisord_start_time_seconds',
    help: 'When the present run of the process began, in epoch seconds; absent while it is down.',
    value: (process) => (isUp(process.state) ? process.startTime : undefined),
  },
  {
    name: 'supervisord_process_last_transition_timestamp_seconds',
    help: 'When the process last changed its state, in epoch seconds.',
    value: (process) => process.lastTransitionTime,
  },
  {
    name: 'supervisord_process_last_unexpected_exit_timestamp_seconds',
    help: 'When the process last exited with a code that is not in its exitcodes, or by a signal, in epoch seconds.',
    value: (process) => process.lastUnexpectedExitTime,
  },
  {
    name: 'supervisord_process_stop_time_seconds',
    help: 'When the process last ended, in epoch seconds.',
    value: (process) => process.stopTime,
  },
  {
    name: 'supervisord_process_backoff_tries',
    help: 'Attempts to start the process that have failed so far; 0 once it runs.',
    value: (process) => process.backoffTries,
  },
];

const COUNTERS: readonly Total[] = [
  {
    name: 'supervisord_process_exits_total',
    help: 'Exits of the process while it was RUNNING, expected or not.',
    value: (process) => process.exits,
  },
  {
    name: 'supervisord_process_unexpected_exits_total',
    help: 'Exits with a code that is not in the exitcodes of the process, or by a signal.',
    value: (process) => process.unexpectedExits,
  },
];

const LABELS = ['name', 'group'] as const;

/** Registers the families above; each is read off the table anew when it is scraped. */
export function registerProcessMetrics(table: ProcessTable, registry: Registry): void {
  const registers = [registry];
  for (const { name, help, value } of GAUGES) {
    new Gauge({
      name,
      help,
      labelNames: LABELS,
      registers,
      collect() {
        this.reset();
        for (const process of table.values()) {
          const shown = value(process);
          if (shown !== undefined) this.set(labelsOf(process), shown);
        }
      },
    });
  }
  for (const { name, help, value } of COUNTERS) {
    new Counter({
      name,
      help,
      labelNames: LABELS,
      registers,
      collect() {
        this.reset();
        for (const process of table.values()) this.inc(labelsOf(process), value(process));
      },
    });
  }
  registerTransitions(table, registry);
  registerStates(table, registry);
}

function registerTransitions(table: ProcessTable, registry: Registry): void {
  new Counter({
    name: 'supervisord_process_transitions_total',
    help: 'Transitions of the process between two states.',
    labelNames: [...LABELS, 'from', 'to'],
    registers: [registry],
    collect() {
      this.reset();
      for (const process of table.values()) {
        const { name, group } = process.id;
        for (const [transition, total] of process.transitions) {
          const [from, to] = endsOf(transition);
          this.inc({ name, group, from, to }, total);
        }
      }
    },
  });
}

function registerStates(table: ProcessTable, registry: Registry): void {
  new Gauge({
    name: 'supervisord_processes',
    help: 'Number of processes in each state.',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      for (const state of PROCESS_STATES) this.set({ state }, 0);
      for (const { state } of table.values()) this.inc({ state });
    },
  });
}

function labelsOf({ id }: View): { name: string; group: string } {
  return { name: id.name, group: id.group };
}
