/** The section that runs the exporter, found by its command and read. */

import { basename } from 'node:path';
import { type Config, parseCommandLine } from '../cli/flags.ts';
import { splitWords } from '../cli/shlex.ts';
import type { SupervisorEndpoint } from '../rpc/endpoint.ts';
import { UsageError } from '../util/errors.ts';
import { type Configuration, parseEnvironment } from './configuration.ts';
import type { Section } from './ini.ts';

export interface Listener {
  readonly section: Section;
  /** The group of its processes, which is the pool of its events. */
  readonly pool: string;
  /** The words of its command; empty where there is none, or it can't be taken apart. */
  readonly words: readonly string[];
  /** The exporter's configuration, or what it will say is wrong with its flags. */
  readonly config: Config | string;
  /** What its section and [supervisord] put into its environment. */
  readonly environment: Readonly<Record<string, string>>;
}

export const LISTENER_PREFIX = 'eventlistener:';

const PROGRAM_PREFIXES = ['program:', 'fcgi-program:'] as const;

/** The [eventlistener:…] sections whose command runs the exporter, whose own file is `program`. */
export function findListeners(
  { sections }: Configuration,
  program: string,
  serverUrl: string | undefined,
): Listener[] {
  const shared = environmentOf(sections.find(({ name }) => name === 'supervisord'));
  return sections
    .filter(({ name }) => name.startsWith(LISTENER_PREFIX))
    .flatMap((section) => {
      const words = commandOf(section);
      const at = words.findIndex((word) => runsExporter(word, program));
      if (at === -1) return [];
      const environment = { ...shared, ...environmentOf(section) };
      const url = section.settings.get('serverurl')?.value ?? 'AUTO';
      const config = configOf(words.slice(at + 1), {
        SUPERVISOR_SERVER_URL: url.toUpperCase() === 'AUTO' ? serverUrl : url,
        ...environment,
      });
      const pool = section.name.slice(LISTENER_PREFIX.length);
      return [{ section, pool, words, config, environment }];
    });
}

/** A section that runs the exporter as a mere program, which gets no events. */
export function findMisplaced({ sections }: Configuration, program: string): Section | undefined {
  return sections.find(
    (section) =>
      PROGRAM_PREFIXES.some((prefix) => section.name.startsWith(prefix)) &&
      commandOf(section).some((word) => runsExporter(word, program)),
  );
}

/** The settings of two listeners are compared by this: a process has 999 where its section says nothing. */
export function priorityOf(section: Section): string {
  return section.settings.get('priority')?.value ?? '999';
}

/** Where the exporter will look for XML-RPC, and with what credentials. */
export function supervisorOf({ config }: Listener): SupervisorEndpoint | undefined {
  return typeof config === 'string' ? undefined : config.supervisor;
}

function commandOf(section: Section): readonly string[] {
  return splitWords(section.settings.get('command')?.value ?? '') ?? [];
}

function runsExporter(word: string, program: string): boolean {
  return word === program || /^supervisor-exporter(?:\.c?js)?$/.test(basename(word));
}

function environmentOf(section: Section | undefined): Readonly<Record<string, string>> {
  return parseEnvironment(section?.settings.get('environment')?.value ?? '') ?? {};
}

function configOf(
  flags: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Config | string {
  try {
    const invocation = parseCommandLine(flags, environment);
    return invocation.kind === 'run' ? invocation.config : `it would ${invocation.kind} and end`;
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
}
