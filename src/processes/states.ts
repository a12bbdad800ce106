/**
 * The eight states of a process and the transitions between them, as Supervisor
 * names them (supervisord.org/subprocess.html#process-states).
 */

/** Supervisor's own number for each state: what its XML-RPC says and `supervisord_state` shows. */
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

const STATE_BY_CODE: ReadonlyMap<number, ProcessState> = new Map(
  PROCESS_STATES.map((state) => [STATE_CODES[state], state]),
);

export function isProcessState(text: string): text is ProcessState {
  return Object.hasOwn(STATE_CODES, text);
}

/** The state a code stands for; undefined for a code that Supervisor does not have. */
export function stateOfCode(code: number): ProcessState | undefined {
  return STATE_BY_CODE.get(code);
}

/** Up is STARTING or RUNNING, so that a program on its way up does not alert. */
export function isUp(state: ProcessState): boolean {
  return state === 'STARTING' || state === 'RUNNING';
}

/** One step of a process, written as Supervisor's diagram draws it. */
export type Transition = `${ProcessState}>${ProcessState}`;

/**
 * The twelve steps of the diagram. Three more exist, into UNKNOWN, where supervisord
 * has lost sight of a process; they are counted when they happen.
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

/** Where a transition leads from and to. No state's name holds a `>`. */
export function endsOf(transition: Transition): readonly [from: string, to: string] {
  const [from = '', to = ''] = transition.split('>');
  return [from, to];
}
