/** Programs that run and do nothing. */

/** It ends by itself some time, should the bench be killed in a way that leaves it behind. */
export const SLEEPER = 'sleep 1h';

/** Shares the programs evenly among the groups. */
export function sleeperSections(programs: number, groups: number, command = SLEEPER): string {
  const upTo = (group: number) => Math.floor((programs * group) / groups);
  return Array.from({ length: groups }, (_, group) =>
    groupSection(upTo(group + 1) - upTo(group), group, command),
  ).join('\n');
}

function groupSection(size: number, group: number, command: string): string {
  return `[program:group-${group}]
command=${command}
process_name=program-%(process_num)d
numprocs=${size}
startsecs=0
stdout_logfile=NONE
stderr_logfile=NONE
`;
}
