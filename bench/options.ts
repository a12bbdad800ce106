/** The options of a bench: counts with defaults, and flags. */

import { parseArgs } from 'node:util';

/** Parses the command line; exits with status 2 if it is invalid. */
export function readOptions<Count extends string, Flag extends string = never>(
  defaults: Readonly<Record<Count, number>>,
  flags: readonly Flag[] = [],
): Record<Count, number> & Record<Flag, boolean> {
  const names = Object.keys(defaults) as Count[];
  try {
    const { values } = parseArgs({
      options: {
        ...Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
        ...Object.fromEntries(flags.map((flag) => [flag, { type: 'boolean' as const }])),
      },
    });
    const counts = names.map((name) => [name, readCount(name, values[name]) ?? defaults[name]]);
    const switches = flags.map((flag) => [flag, values[flag] === true]);
    return Object.fromEntries([...counts, ...switches]);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const known = [
      ...names.map((name) => `--${name}=${defaults[name]}`),
      ...flags.map((flag) => `[--${flag}]`),
    ].join(' ');
    // The second sentence of the message is about positional arguments, which no bench has.
    failUsage(`${error.message.replace(/\. .*$/s, '')}; the options and their defaults: ${known}`);
  }
}

export function failUsage(message: string): never {
  console.error(message);
  process.exit(2);
}

function readCount(name: string, text: unknown): number | undefined {
  if (text === undefined) return undefined;
  if (typeof text === 'string' && /^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new TypeError(`--${name}: ${JSON.stringify(text)} is not a whole number from 1 to 9999999`);
}
