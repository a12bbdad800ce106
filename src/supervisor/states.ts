/**
 * The eight states of a process and the transitions between them, as Supervisor
 * names them (supervisord.org/subprocess.html#process-states).
 */

/** Supervisor's number for each state, in XML-RPC and in `supervisord_state`. */
export const STATE_CODES = {
  STOPPED: 0,
  STARTING: 10,
  RUNNING: 20,
  BACKOFF: 30,
  STOPPING: 40,
  EXITED: 100,
  FATAL: 200,
  UNKNOWN: 1000,
} as const;

export type ProcessState = keyof typeof STATE_CODES;

export const PROCESS_STATES = Object.keys(STATE_CODES) as readonly ProcessState[];

/** The state of this name; undefined for any other name. */
export function stateOfName(name: string): ProcessState | undefined {
  return PROCESS_STATES.find((state) => state === name);
}

/** The state of this code; undefined for any other code. */
export function stateOfCode(code: number): ProcessState | undefined {
  return PROCESS_STATES.find((state) => STATE_CODES[state] === code);
}

/** STARTING counts as up, so that a process that is starting raises no alert. */
export function isUp(state: ProcessState): boolean {
  return state === 'STARTING' || state === 'RUNNING';
}

/** Whether an operating system process exists in this state. */
export function isAlive(state: ProcessState): boolean {
  return isUp(state) || state === 'STOPPING';
}

/** `FROM>TO`. */
export type Transition = `${ProcessState}>${ProcessState}`;

/**
 * The twelve transitions of Supervisor's diagram. Three more lead to UNKNOWN, where supervisord
 * has lost track of a process; they are counted when they occur.
 */
export const TRANSITIONS: readonly Transition[] = [
  'STOPPED>STARTING',
  'EXITED>STARTING',
  'FATAL>STARTING',
  'BACKOFF>STARTING',
  'STARTING>RUNNING',
  'STARTING>BACKOFF',
  'STARTING>STOPPING',
  'BACKOFF>FATAL',
  'BACKOFF>STOPPED',
  'RUNNING>STOPPING',
  'RUNNING>EXITED',
  'STOPPING>STOPPED',
];

/** The two states of a transition. No state has `>` in its name. */
export function endsOf(transition: Transition): readonly [from: string, to: string] {
  const [from = '', to = ''] = transition.split('>');
  return [from, to];
}
