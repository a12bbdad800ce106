/** What supervisord runs in a soak. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PYTHON } from './python.ts';

/** 24 programs in two groups that end and are started again without end. */
export const STORM_GROUPS = ['good', 'bad'];
const STORM = new URL('../test/e2e/conf/storm-programs.conf', import.meta.url);
/**
 * Each runs for 0.5 to 0.61 s: 42 ends a second. supervisord sends an event a turn, and takes a
 * turn for about 5 ms: at 90 ends a second its queue grows without end, whoever listens.
 */
const STORM_PACE = 'numprocs_start=50';

export const STEADY_PROGRAMS = ['steady-0', 'steady-1', 'steady-2', 'steady-3', 'steady-4'];

const REJECTING_LISTENER = fileURLToPath(
  new URL('../test/support/rejecting_listener.py', import.meta.url),
);
/** TICK_5: the exporter has not asked for it, and is given it all the same. */
const REJECTED_EVENTS = 'PROCESS_STATE_EXITED,PROCESS_GROUP,TICK_5';

const PASSING_CONF = 'passing.conf';
const PASSING_PREFIX = 'passing-';
const PASSING_GROUPS = 4;

/** At once, the listeners among them. */
export const PROGRAMS = 24 + STEADY_PROGRAMS.length + 2 * PASSING_GROUPS + 2;

/** startsecs=0: each start is a success, and each end an exit. */
const QUIET = `startsecs=0
stdout_logfile=NONE
stderr_logfile=NONE
`;

export function soakSections(dir: string, isRejecting: boolean): string {
  writePassingGroups(dir, 0);
  return [
    `[include]\nfiles=${PASSING_CONF}\n`,
    stormSections(),
    ...STEADY_PROGRAMS.map(
      (name) => `[program:${name}]\ncommand=sleep 1h\nautorestart=true\n${QUIET}`,
    ),
    isRejecting ? rejectingSection() : '',
  ].join('\n');
}

/** Puts groups into the configuration whose names no generation before has had, in place of those of the last. */
export function writePassingGroups(dir: string, generation: number): void {
  const sections = Array.from({ length: PASSING_GROUPS }, (_, group) => {
    const name = `${PASSING_PREFIX}${generation * PASSING_GROUPS + group}`;
    return `[program:${name}]\ncommand=sleep 1m\n${QUIET}`;
  });
  writeFileSync(join(dir, PASSING_CONF), sections.join('\n'));
}

function stormSections(): string {
  return readFileSync(STORM, 'utf8').replaceAll(/^numprocs_start=.*$/gm, STORM_PACE);
}

/** Whether a program stays to the end. */
export function isLasting(program: string): boolean {
  return !program.startsWith(PASSING_PREFIX);
}

/** With the exporter's priority, so that supervisord puts what it rejects into the exporter's queue as well. */
function rejectingSection(): string {
  return `[eventlistener:rejecting]
command=${PYTHON} ${REJECTING_LISTENER}
events=${REJECTED_EVENTS}
buffer_size=8192
priority=-9876
stdout_logfile=NONE
stderr_logfile=NONE
`;
}
