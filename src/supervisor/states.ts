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

const STATE_BY_NAME: ReadonlyMap<string, ProcessState> = new Map(
  PROCESS_STATES.map((state) => [state, state]),
);

/** The state of this name; undefined for a name that Supervisor does not have. */
export function stateOfName(name: string): ProcessState | undefined {
  return STATE_BY_NAME.get(name);
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

const TRANSITION_BY_ENDS = Object.fromEntries(
  PROCESS_STATES.map((from) => [
    from,
    Object.fromEntries(PROCESS_STATES.map((to) => [to, `${from}>${to}`])),
  ]),
) as Readonly<Record<ProcessState, Readonly<Record<ProcessState, Transition>>>>;

/** Not put together at each event: a string that has been looked up before is found sooner. */
export function transitionOf(from: ProcessState, to: ProcessState): Transition {
  return TRANSITION_BY_ENDS[from][to];
}

/** Where a transition leads from and to. No state's name holds a `>`. */
export function endsOf(transition: Transition): readonly [from: string, to: string] {
  const [from = '', to = ''] = transition.split('>');
  return [from, to];
}
