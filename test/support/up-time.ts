/** The time that each process was up by supervisord's log, to compare the exporter's counter with. */

export interface LoggedUpTime {
  /** Of the runs that are over. */
  seconds: number;
  runs: number;
}

const LINE =
  /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d),(\d{3}) [A-Z]{4} (?:spawned: '(\S+)' with pid|(?:exited|stopped): (\S+) \()/gm;

/** By name; the log has no groups. */
export function readUpTimes(log: string): Map<string, LoggedUpTime> {
  const upTimes = new Map<string, LoggedUpTime>();
  const begun = new Map<string, number>();
  for (const [, day, time, ms, spawned, ended] of log.matchAll(LINE)) {
    const at = Date.parse(`${day}T${time}.${ms}`) / 1000;
    if (spawned !== undefined) begun.set(spawned, at);
    const began = ended === undefined ? undefined : begun.get(ended);
    if (ended === undefined || began === undefined) continue;
    begun.delete(ended);
    const upTime = upTimes.get(ended) ?? { seconds: 0, runs: 0 };
    upTimes.set(ended, { seconds: upTime.seconds + at - began, runs: upTime.runs + 1 });
  }
  return upTimes;
}
