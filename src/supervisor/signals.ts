/** Signals by name, as supervisord's log has them, and by number, as metrics do. */

import { constants } from 'node:os';

/** Names that Python has, and so supervisord, and Node has not. */
const FURTHER_SIGNALS = { SIGCLD: constants.signals.SIGCHLD, SIGRTMIN: 34, SIGRTMAX: 64 };

const NUMBERS: Readonly<Record<string, number>> = { ...FURTHER_SIGNALS, ...constants.signals };

/** Of `SIGKILL`, or of `signal 44`, which is what one without a name is called. Undefined for what is neither. */
export function signalNumber(name: string): number | undefined {
  const [, number] = /^signal (\d+)$/.exec(name) ?? [];
  if (number !== undefined) return Number(number);
  return Object.hasOwn(NUMBERS, name) ? NUMBERS[name] : undefined;
}

export function signalName(number: number): string {
  const [name] = Object.entries(constants.signals).find(([, each]) => each === number) ?? [];
  return name ?? `signal ${number}`;
}
