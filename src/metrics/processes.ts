/** The metric families of the process table. */

import { exitSignal, exitStatus, lastTermination } from '../processes/process.ts';
import { coreDumpedOf, type ExitReason, oomKilledOf } from '../processes/termination.ts';
import {
  endsOf,
  isUp,
  PROCESS_STATES,
  STATE_CODES,
  TRANSITIONS,
  type Transition,
} from '../supervisor/states.ts';
import { escapeLabel, type Family, type View } from './family.ts';

export const PROCESS_FAMILIES: readonly Family[] = [
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
    name: 'supervisord_exit_oom_killed',
    type: 'gauge',
    help: "Whether the kernel's OOM killer ended the last run of the process; absent where that is not known.",
    value: (process) => toNumber(oomKilledOf, process),
    ofExitReasons: true,
  },
  {
    name: 'supervisord_exit_core_dumped',
    type: 'gauge',
    help: 'Whether the last run of the process ended with a core dump; absent where that is not known.',
    value: (process) => toNumber(coreDumpedOf, process),
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
    help: 'Failed attempts to start the process that are followed by another attempt (startretries); after them it is FATAL.',
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
    help: 'Seconds that the last deliberate stop of the process took.',
    value: (process) => process.stopDuration,
  },
  {
    name: 'supervisord_process_stop_wait_seconds',
    type: 'gauge',
    help: 'Seconds that the process has to stop before it is killed (stopwaitsecs).',
    value: (process) => process.settings?.stopWaitSeconds,
  },
  {
    name: 'supervisord_process_spawn_error_info',
    type: 'gauge',
    help: 'Why the process could not be started, while it is in BACKOFF or FATAL; always 1.',
    value: ({ spawnError }) => (spawnError === undefined ? undefined : 1),
    labels: ({ spawnError }) => `error="${escapeLabel(spawnError ?? '')}"`,
  },
  {
    name: 'supervisord_process_up_seconds_total',
    type: 'counter',
    help: 'Seconds that the process was up (in STARTING or RUNNING) since the exporter first saw it.',
    value: (_process, _usage, upSeconds) => Math.round(upSeconds * 1000) / 1000,
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

/** The counters have samples only where such kills are detected. */
export function killFamilies({ countsOomKills, countsStopKills }: KillSources): readonly Family[] {
  return [
    {
      name: 'supervisord_process_oom_kills_total',
      type: 'counter',
      help: "Runs of the process, failed starts included, that the kernel's OOM killer ended; absent where OOM kills cannot be detected.",
      value: (process) => (countsOomKills() ? process.oomKills : undefined),
    },
    {
      name: 'supervisord_process_last_oom_kill_timestamp_seconds',
      type: 'gauge',
      help: "When the kernel's OOM killer last ended the process, in epoch seconds.",
      value: (process) => process.lastOomKillAt,
    },
    {
      name: 'supervisord_process_stop_kills_total',
      type: 'counter',
      help: "Stops of the process that took longer than stopwaitsecs, after which supervisord sent SIGKILL; absent where supervisord's log cannot be read or has no warnings.",
      value: (process) => (countsStopKills() ? process.stopKills : undefined),
    },
    {
      name: 'supervisord_process_last_stop_kill_timestamp_seconds',
      type: 'gauge',
      help: 'When supervisord last sent SIGKILL to the process because its stop took longer than stopwaitsecs, in epoch seconds.',
      value: (process) => process.lastStopKillAt,
    },
  ];
}

export interface KillSources {
  readonly countsOomKills: () => boolean;
  readonly countsStopKills: () => boolean;
}

function toNumber(
  read: (reason: ExitReason) => boolean | undefined,
  process: View,
): number | undefined {
  const termination = lastTermination(process);
  const fact = termination && read(termination.reason);
  return fact === undefined ? undefined : Number(fact);
}

/** `isUnreported`: undefined where that cannot be read. */
export function unreportedExitFamily(isUnreported: (process: View) => boolean | undefined): Family {
  return {
    name: 'supervisord_process_unreported_exit',
    type: 'gauge',
    help: 'Whether the process has been gone or a zombie for over 2 s without an event, though a snapshot was requested for it.',
    value: (process) => {
      const result = isUnreported(process);
      return result === undefined ? undefined : Number(result);
    },
  };
}

/** The transitions of Supervisor's diagram are counted from 0 on. */
export function transitionFamily(transition: Transition): Family {
  const [from, to] = endsOf(transition);
  const initial = TRANSITIONS.includes(transition) ? 0 : undefined;
  return {
    name: 'supervisord_process_transitions_total',
    type: 'counter',
    help: 'Transitions of the process between two states.',
    fixedLabels: `,from="${from}",to="${to}"`,
    value: (process) => process.transitions.get(transition) ?? initial,
  };
}
