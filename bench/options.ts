/** The options of a bench: counts, each with a default. */

import { parseArgs } from 'node:util';

/** Reads the command line; ends the program if it can't be followed. */
export function readCounts<Name extends string>(
  defaults: Readonly<Record<Name, number>>,
): Record<Name, number> {
  const names = Object.keys(defaults) as Name[];
  const counts: Record<Name, number> = { ...defaults };
  try {
    const { values } = parseArgs({
      options: Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
    });
    for (const name of names) counts[name] = readCount(name, values[name]) ?? defaults[name];
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const known = names.map((name) => `--${name}=${defaults[name]}`).join(' ');
    // Its second sentence is on positional arguments, which there are none of.
    failUsage(`${error.message.replace(/\. .*$/s, '')}; the options and their defaults: ${known}`);
  }
  return counts;
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
