/** The result of a check. */

import type { Place, Places } from './places.ts';

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

/** A section of supervisord's configuration, for fixes. */
export interface Section {
  readonly name: string;
  readonly places: Places;
  /** Named where the section itself is not found. */
  readonly mainFile: string;
}

/** A fix: set an option, in place of its present line where there is one. */
export function write(section: Section, line: string): string {
  const [option = ''] = line.split('=');
  const { name, places } = section;
  const present = places.option(name, option);
  return present === undefined
    ? `add to [${name}] in ${places.section(name)?.file ?? section.mainFile}: ${line}`
    : `${describePlace(present)}, in [${name}]: ${line}`;
}

/** A fix: remove the line with that option. */
export function remove(section: Section, option: string): string {
  return `${describeSection(section, option)}, in [${section.name}]: remove the line ${option}=…`;
}

/** The place of an option, else of its section, else the main file. */
export function describeSection({ name, places, mainFile }: Section, option?: string): string {
  const place = option === undefined ? undefined : places.option(name, option);
  const found = place ?? places.section(name);
  return found === undefined ? mainFile : describePlace(found);
}

export function describePlace({ file, line }: Place): string {
  return `${file}:${line}`;
}
