/** Reads supervisord's configuration and the files that it includes, as its options.py does. */

import { dirname, resolve } from 'node:path';
import { glob } from './glob.ts';
import { Ini, type Place, type Section, type Setting } from './ini.ts';
import { expand, words } from './python.ts';

/** The file system operations that the reader needs. */
export interface Files {
  readonly read: (path: string) => FileText;
  readonly list: (folder: string) => readonly string[];
}

export type FileText =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'unreadable'; readonly reason: string };

/** Sources of the names that values may expand. */
export interface Surroundings {
  readonly hostname: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface Configuration {
  readonly path: string;
  /** Included files, in the order in which they are read. */
  readonly included: readonly string[];
  /** The absolute patterns of `[include] files`. */
  readonly patterns: readonly string[];
  readonly unreadable: readonly { readonly path: string; readonly reason: string }[];
  /** Lines that supervisord cannot parse. */
  readonly errors: readonly Place[];
  /** With all values expanded that can be. */
  readonly sections: readonly Section[];
  /** Values that cannot be expanded; `name` is undefined for a stray percent sign. */
  readonly unexpanded: readonly Unexpanded[];
}

export interface Unexpanded {
  readonly section: string;
  readonly option: string;
  readonly place: Place;
  readonly name: string | undefined;
}

/** Reads supervisord.conf and what it includes. `path` is absolute. */
export function readConfiguration(
  path: string,
  files: Files,
  surroundings: Surroundings,
): Configuration {
  const ini = new Ini();
  const unreadable: { path: string; reason: string }[] = [];
  const add = (file: string) => {
    const content = files.read(file);
    if (content.kind === 'unreadable') {
      unreadable.push({ path: file, reason: content.reason });
      return;
    }
    // supervisord itself puts the folder of each file in, before it expands anything else.
    ini.add(file, content.text, (value) => value.replaceAll('%(here)s', dirname(file)));
  };

  add(path);
  const names = environmentNames(surroundings.environment);
  names['host_node_name'] = surroundings.hostname;
  const include = ini.section('include')?.settings.get('files');
  const patterns = include === undefined ? [] : patternsOf(include, dirname(path), names);
  const included = patterns.flatMap((pattern) => glob(pattern, files.list));
  for (const file of included) add(file);

  const own = ini.section('supervisord');
  if (own !== undefined) Object.assign(names, ownNames(own, names));
  return {
    path,
    included,
    patterns,
    unreadable,
    errors: ini.errors,
    ...expandSections(ini.sections, names),
  };
}

/** Reads `KEY=value,KEY2="other value"`; undefined where supervisord would refuse it. */
export function parseEnvironment(text: string): Readonly<Record<string, string>> | undefined {
  const tokens = text.match(/"[^"]*"|'[^']*'|[\w/.+():-]+|\S/g) ?? [];
  const values: Record<string, string> = {};
  for (let at = 0; at < tokens.length; at += 4) {
    const [key = '', equals, value] = tokens.slice(at, at + 3);
    if (equals !== '=' || value === undefined) return undefined;
    values[key] = value.replaceAll(/^['"]+|['"]+$/g, '');
  }
  return values;
}

function patternsOf(include: Setting, folder: string, names: Record<string, string>): string[] {
  const expanded = expand(include.value, names);
  return words(expanded.kind === 'expanded' ? expanded.text : include.value).map((pattern) =>
    resolve(folder, pattern),
  );
}

/** `%(ENV_X)s` stands for X of supervisord's environment. */
function environmentNames(
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const names: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined) names[`ENV_${name}`] = value;
  }
  return names;
}

/** What a section puts into the environment may stand in its other values. */
function ownNames(section: Section, names: Record<string, string>): Record<string, string> {
  const expanded = expand(section.settings.get('environment')?.value ?? '', names);
  return expanded.kind === 'expanded'
    ? environmentNames(parseEnvironment(expanded.text) ?? {})
    : {};
}

function expandSections(sections: readonly Section[], names: Record<string, string>) {
  const unexpanded: Unexpanded[] = [];
  const expanded = sections.map((section): Section => {
    const program = section.name.slice(section.name.indexOf(':') + 1);
    const known = {
      ...names,
      ...{ program_name: program, group_name: program, process_num: 0, numprocs: 1 },
      ...ownNames(section, names),
    };
    const settings = new Map<string, Setting>();
    for (const [option, setting] of section.settings) {
      const result = expand(setting.value, known);
      if (result.kind === 'expanded') {
        settings.set(option, { ...setting, value: result.text });
        continue;
      }
      settings.set(option, setting);
      const name = result.kind === 'unknown' ? result.name : undefined;
      unexpanded.push({ section: section.name, option, place: setting.place, name });
    }
    return { ...section, settings };
  });
  return { sections: expanded, unexpanded };
}
