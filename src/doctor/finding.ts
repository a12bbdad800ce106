/** What a check finds, and what it says to do about it. */

import type { Place, Section } from './ini.ts';

/** `warn`: it works, and not as well as it should. `fail`: something is missing or wrong. */
export type Level = 'ok' | 'warn' | 'fail';

export interface Finding {
  readonly level: Level;
  /** What was looked at, in a word or two. */
  readonly check: string;
  readonly message: string;
  /** What to write, and where; or what to run. */
  readonly remedy?: string;
}

export function ok(check: string, message: string): Finding {
  return { level: 'ok', check, message };
}

export function warn(check: string, message: string, remedy: string): Finding {
  return { level: 'warn', check, message, remedy };
}

export function fail(check: string, message: string, remedy: string): Finding {
  return { level: 'fail', check, message, remedy };
}

/** Says to write a line into a section: instead of the one with that option, or besides what is there. */
export function write(section: Section, line: string): string {
  const [option = ''] = line.split('=');
  const present = section.settings.get(option);
  return present === undefined
    ? `add to [${section.name}] in ${section.place.file}: ${line}`
    : `${describePlace(present.place)}, in [${section.name}]: ${line}`;
}

/** Says to remove the line with that option. */
export function remove(section: Section, option: string): string {
  const place = section.settings.get(option)?.place ?? section.place;
  return `${describePlace(place)}, in [${section.name}]: remove the line ${option}=…`;
}

export function describePlace({ file, line }: Place): string {
  return `${file}:${line}`;
}
