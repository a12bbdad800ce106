/** Programs that run and do nothing. */

/** Shares the programs evenly among the groups. */
export function sleeperSections(programs: number, groups: number): string {
  const upTo = (group: number) => Math.floor((programs * group) / groups);
  return Array.from({ length: groups }, (_, group) =>
    groupSection(upTo(group + 1) - upTo(group), group),
  ).join('\n');
}

/** The programs end by themselves some time, should the bench be killed in a way that leaves them behind. */
function groupSection(size: number, group: number): string {
  return `[program:group-${group}]
command=sleep 1h
process_name=program-%(process_num)d
numprocs=${size}
startsecs=0
stdout_logfile=NONE
stderr_logfile=NONE
`;
}
