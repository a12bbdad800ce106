/** Signals: by name in supervisord's log, by number in the metrics. */

import { constants } from 'node:os';

/** Names that Python has, and so supervisord's log, and Node does not. */
const FURTHER_SIGNALS = { SIGCLD: constants.signals.SIGCHLD, SIGRTMIN: 34, SIGRTMAX: 64 };

const NUMBERS: Readonly<Record<string, number>> = { ...FURTHER_SIGNALS, ...constants.signals };

/** The number of `SIGKILL`, or of `signal 44` for a signal without a name; undefined for any other text. */
export function signalNumber(name: string): number | undefined {
  const [, number] = /^signal (\d+)$/.exec(name) ?? [];
  if (number !== undefined) return Number(number);
  return Object.hasOwn(NUMBERS, name) ? NUMBERS[name] : undefined;
}

export function signalName(number: number): string {
  const [name] = Object.entries(constants.signals).find(([, each]) => each === number) ?? [];
  return name ?? `signal ${number}`;
}
