/** Finds the sections that run the exporter, by their command, and parses them. */

import { basename } from 'node:path';
import { type Config, parseCommandLine } from '../cli/flags.ts';
import { splitWords } from '../cli/shlex.ts';
import type { SupervisorEndpoint } from '../rpc/endpoint.ts';
import { UsageError } from '../util/errors.ts';
import { type Configuration, parseEnvironment } from './configuration.ts';
import type { Section } from './ini.ts';

/** The exporter's configuration, or the error with which it will refuse its flags. */
export type ConfigResult =
  | { readonly kind: 'valid'; readonly config: Config }
  | { readonly kind: 'invalid'; readonly reason: string };

export interface Listener {
  readonly section: Section;
  /** The event pool, which is also the group of its processes; may begin or end with a blank. */
  readonly pool: string;
  /** The words of its command. */
  readonly words: readonly string[];
  readonly config: ConfigResult;
  /** The variables that its section and [supervisord] set. */
  readonly environment: Readonly<Record<string, string>>;
}

export const LISTENER_PREFIX = 'eventlistener:';

const PROGRAM_PREFIXES = ['program:', 'fcgi-program:'] as const;

/** The [eventlistener:…] sections whose command runs the exporter; `program` is its own file. */
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

/** A section that runs the exporter as a program, which receives no events. */
export function findRunAsProgram(
  { sections }: Configuration,
  program: string,
): Section | undefined {
  return sections.find(
    (section) =>
      PROGRAM_PREFIXES.some((prefix) => section.name.startsWith(prefix)) &&
      commandOf(section).some((word) => runsExporter(word, program)),
  );
}

/** The priority of the processes of a section; supervisord's default is 999. */
export function priorityOf(section: Section): string {
  return section.settings.get('priority')?.value ?? '999';
}

/** The XML-RPC endpoint and credentials that the exporter will use. */
export function supervisorOf({ config }: Listener): SupervisorEndpoint | undefined {
  return config.kind === 'valid' ? config.config.supervisor : undefined;
}

/**
 * For people: the command with the names of its flags and variables, without their values, each of
 * which may hold a password.
 */
export function describeCommand(words: readonly string[]): string {
  const firstFlag = words.findIndex((word) => word.startsWith('-'));
  const shown = words.map((word, index) => {
    const isValue = firstFlag !== -1 && index > firstFlag && !isExporterFile(word);
    const [, name] = /^(-{0,2}[A-Za-z][\w.-]*)=/s.exec(word) ?? [];
    if (name !== undefined) return `${name}=…`;
    return (isValue ? /^--[a-z][a-z.-]*$/ : /^[\w./-][\w./+~-]*$/).test(word) ? word : '…';
  });
  return shown.join(' ');
}

function commandOf(section: Section): readonly string[] {
  return splitWords(section.settings.get('command')?.value ?? '') ?? [];
}

function runsExporter(word: string, program: string): boolean {
  return word === program || isExporterFile(word);
}

function isExporterFile(word: string): boolean {
  return /^supervisor-exporter(?:\.c?js)?$/.test(basename(word));
}

function environmentOf(section: Section | undefined): Readonly<Record<string, string>> {
  return parseEnvironment(section?.settings.get('environment')?.value ?? '') ?? {};
}

function configOf(
  flags: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): ConfigResult {
  try {
    const invocation = parseCommandLine(flags, environment);
    if (invocation.kind === 'run') return { kind: 'valid', config: invocation.config };
    return { kind: 'invalid', reason: `these flags make it run ${invocation.kind} instead` };
  } catch (error) {
    if (error instanceof UsageError) return { kind: 'invalid', reason: error.message };
    throw error;
  }
}
