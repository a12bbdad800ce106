/** The metric families of the process table. */

import {
  exitSignal,
  exitStatus,
  lastTermination,
  type Process,
  wasExpected,
} from '../processes/process.ts';
import { coreDumpedOf, type ExitReason, oomKilledOf } from '../processes/termination.ts';
import {
  endsOf,
  isUp,
  PROCESS_STATES,
  STATE_CODES,
  TRANSITIONS,
  type Transition,
} from '../supervisor/states.ts';
import { type ProcessFamily, toSample } from './family.ts';

export const PROCESS_FAMILIES: readonly ProcessFamily[] = [
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
    help: 'Exit status of the last exit, -1 for any signal; absent after an exit until it is known.',
    value: exitStatus,
    ofExitReasons: true,
  },
  {
    name: 'supervisord_exit_status',
    help: 'Exit status of the last exit, -1 for any signal, as supervisord reports it by XML-RPC: 0 once the process was started again.',
    value: (process) => process.rpcExitStatus,
    ofExitReasons: false,
  },
  {
    name: 'supervisord_exit_signal',
    help: 'Number of the signal that ended the last run, 0 for none; absent where it is not known.',
    value: exitSignal,
    ofExitReasons: true,
  },
  {
    name: 'supervisord_exit_oom_killed',
    help: "Whether the kernel's OOM killer ended the last run of the process; absent where that is not known.",
    value: (process) => ofLastExit(process, oomKilledOf),
    ofExitReasons: true,
  },
  {
    name: 'supervisord_exit_core_dumped',
    help: 'Whether the last run of the process ended with a core dump; absent where that is not known.',
    value: (process) => ofLastExit(process, coreDumpedOf),
    ofExitReasons: true,
  },
  {
    name: 'supervisord_exit_expected',
    help: 'Whether the exit code of the last exit is one of the exitcodes of the process; absent after a stop or a failed start, and where it is not known.',
    value: (process) => toSample(wasExpected(process)),
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
    value: (process) => process.lastUnexpectedExit?.finishedAt,
  },
  {
    name: 'supervisord_process_stop_time_seconds',
    help: 'When the process last ended, in epoch seconds.',
    value: (process) => process.termination?.finishedAt,
  },
  {
    name: 'supervisord_process_backoff_tries',
    help: 'Attempts to start the process that have failed so far; 0 once it runs.',
    value: (process) => process.backoffTries,
  },
  {
    name: 'supervisord_process_start_retries',
    help: 'How often supervisord retries a failed start before the process is FATAL (startretries).',
    value: (process) => process.settings?.startRetries,
  },
  {
    name: 'supervisord_process_autostart',
    help: 'Whether the process is started together with supervisord (autostart).',
    value: ({ settings }) => toSample(settings?.autostart),
  },
  {
    name: 'supervisord_process_last_stop_duration_seconds',
    help: 'Seconds that the last deliberate stop of the process took.',
    value: (process) => process.stopDuration,
  },
  {
    name: 'supervisord_process_stop_wait_seconds',
    help: 'Seconds that supervisord waits for the process to stop before it kills it (stopwaitsecs).',
    value: (process) => process.settings?.stopWaitSeconds,
  },
  {
    name: 'supervisord_process_spawn_error_info',
    help: 'Why the process could not be started, while it is in BACKOFF or FATAL; always 1.',
    value: ({ spawnError }) => (spawnError === undefined ? undefined : 1),
    labels: ({ spawnError = '' }) => ({ error: spawnError }),
  },
  {
    name: 'supervisord_process_up_seconds_total',
    help: 'Seconds that the process was up (in STARTING or RUNNING) since the exporter first saw it.',
    value: (_, { upSeconds }) => Math.round(upSeconds * 1000) / 1000,
  },
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
  {
    name: 'supervisord_process_oom_kills_total',
    help: "Runs of the process, failed starts included, that the kernel's OOM killer ended; absent where OOM kills cannot be detected.",
    value: (process, { exits }) => (exits.countsOomKills ? process.oomKills : undefined),
    ofExitReasons: true,
  },
  {
    name: 'supervisord_process_last_oom_kill_timestamp_seconds',
    help: "When the kernel's OOM killer last ended the process, in epoch seconds.",
    value: (process) => process.lastOomKillAt,
    ofExitReasons: true,
  },
  {
    name: 'supervisord_process_stop_kills_total',
    help: "Stops of the process that took longer than stopwaitsecs, after which supervisord sent SIGKILL; absent where supervisord's log cannot be read or has no warnings.",
    value: (process, { exits }) => (exits.countsStopKills ? process.stopKills : undefined),
    ofExitReasons: true,
  },
  {
    name: 'supervisord_process_last_stop_kill_timestamp_seconds',
    help: 'When supervisord last sent SIGKILL to the process because its stop took longer than stopwaitsecs, in epoch seconds.',
    value: (process) => process.lastStopKillAt,
    ofExitReasons: true,
  },
  {
    name: 'supervisord_process_unreported_exit',
    help: 'Whether the process has been gone or a zombie for over 2 s without an event, though a snapshot was requested for it.',
    value: (process, { exits }) => toSample(exits.isUnreported(process)),
  },
];

/** A fact about the last termination. */
function ofLastExit(
  process: Readonly<Process>,
  read: (reason: ExitReason) => boolean | undefined,
): number | undefined {
  const termination = lastTermination(process);
  return toSample(termination && read(termination.reason));
}

/** The transitions of Supervisor's diagram are counted from 0 on. */
export function transitionFamily(transition: Transition): ProcessFamily {
  const [from, to] = endsOf(transition);
  const initial = TRANSITIONS.includes(transition) ? 0 : undefined;
  return {
    name: 'supervisord_process_transitions_total',
    help: 'Transitions of the process between two states.',
    fixedLabels: { from, to },
    value: (process) => process.transitions.get(transition) ?? initial,
  };
}
