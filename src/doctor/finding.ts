/** The result of a check. */

import type { Place, Section } from './ini.ts';

/** `warn`: works, with a drawback. `fail`: something is missing or wrong. */
export type Level = 'ok' | 'warn' | 'fail';

export interface Finding {
  readonly level: Level;
  /** The name of the check, one or two words. */
  readonly check: string;
  readonly message: string;
  /** What to write and where, or what to run. */
  readonly fix?: string;
}

export function ok(check: string, message: string): Finding {
  return { level: 'ok', check, message };
}

export function warn(check: string, message: string, fix: string): Finding {
  return { level: 'warn', check, message, fix };
}

export function fail(check: string, message: string, fix: string): Finding {
  return { level: 'fail', check, message, fix };
}

/** A fix: set an option, in place of its present line where there is one. */
export function write(section: Section, line: string): string {
  const [option = ''] = line.split('=');
  const present = section.settings.get(option);
  return present === undefined
    ? `add to [${section.name}] in ${section.place.file}: ${line}`
    : `${describePlace(present.place)}, in [${section.name}]: ${line}`;
}

/** A fix: remove the line with that option. */
export function remove(section: Section, option: string): string {
  const place = section.settings.get(option)?.place ?? section.place;
  return `${describePlace(place)}, in [${section.name}]: remove the line ${option}=…`;
}

export function describePlace({ file, line }: Place): string {
  return `${file}:${line}`;
}
