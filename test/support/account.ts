/** Reads counts per process from supervisord's log, to compare them with the exporter's. */

export interface ProgramAccount {
  spawned: number;
  /** Exits of every kind except stops. */
  exited: number;
  unexpected: number;
  stopped: number;
}

/** Reads `spawned:`, `exited:` and `stopped:` lines. The log has names without their group. */
export function readAccount(log: string): Map<string, ProgramAccount> {
  const accounts = new Map<string, ProgramAccount>();
  for (const [, verb, quoted, plain, rest = ''] of log.matchAll(
    /(?:INFO|WARN) (spawned|exited|stopped): (?:'(\S+)'|(\S+)) (.*)$/gm,
  )) {
    const name = quoted ?? plain ?? '';
    const account = accounts.get(name) ?? { spawned: 0, exited: 0, unexpected: 0, stopped: 0 };
    accounts.set(name, account);
    if (verb === 'spawned') account.spawned += 1;
    if (verb === 'stopped') account.stopped += 1;
    if (verb === 'exited') {
      account.exited += 1;
      if (rest.includes('not expected')) account.unexpected += 1;
    }
  }
  return accounts;
}

/** The last exit of each process in the words of the log: `exit status 3`, `terminated by SIGTERM`. */
export function readLastEnds(log: string): Map<string, string> {
  const ends = log.matchAll(/(?:exited|stopped): (\S+) \((exit status \d+|terminated by SIG\w+)/g);
  return new Map([...ends].map(([, name = '', end = '']) => [name, end]));
}

/** How many events of the exporter's pool supervisord has discarded. */
export function readDiscarded(log: string): number {
  return [...log.matchAll(/pool exporter event buffer overflowed, discarding event/g)].length;
}
