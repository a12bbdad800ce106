/** Finds the sections that run the exporter, by their command, and parses its flags. */

import { basename } from 'node:path';
import { type Config, parseCommandLine } from '../cli/flags.ts';
import type {
  Configuration,
  Group,
  Pool,
  ProcessSettings,
} from '../configuration/configuration.ts';
import type { SupervisorEndpoint } from '../rpc/endpoint.ts';
import { UsageError } from '../util/errors.ts';

/** The exporter's configuration, or why there is none. */
export type ConfigResult =
  | { readonly kind: 'valid'; readonly config: Config }
  /** The exporter will refuse its flags with this error. */
  | { readonly kind: 'invalid'; readonly reason: string }
  /** A shell computes the flags. */
  | { readonly kind: 'unknown' };

export interface Listener {
  /** The name of its section. */
  readonly section: string;
  /** The event pool, which is also the group of its processes; may begin or end with a blank. */
  readonly group: string;
  /** The words of its command; those of the running process where the command does not show them. */
  readonly words: readonly string[];
  /** The exporter's flags as the section has them; undefined where it does not show them. */
  readonly flags: readonly string[] | undefined;
  readonly config: ConfigResult;
  /** Undefined where the configuration could not be read. */
  readonly settings: ListenerSettings | undefined;
}

/** Those of its first process, and of its pool. */
export interface ListenerSettings extends ProcessSettings {
  readonly group: string;
  readonly pool: Pool;
  /** How many processes the section has. */
  readonly processes: number;
}

export interface ListenerSearch {
  /** The file of the running program. */
  readonly program: string;
  /** supervisord's environment, which its processes inherit. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The command line of the running process of a group; undefined where there is none. */
  readonly runningWords: (group: string) => readonly string[] | undefined;
}

const LISTENER_PREFIX = 'eventlistener:';

/** The event listeners that run the exporter. */
export function findListeners(configuration: Configuration, search: ListenerSearch): Listener[] {
  return configuration.groups.flatMap((group) => {
    const { name, pool, processes } = group;
    const [first] = processes;
    if (pool === undefined || first === undefined) return [];
    const written = flagsOf(first, search.program);
    const running = search.runningWords(name) ?? [];
    const runningFlags = flagsAfter(running, search.program);
    if (written === undefined && runningFlags === undefined) return [];
    const environment = {
      ...search.environment,
      SUPERVISOR_SERVER_URL: first.serverUrl ?? configuration.serverUrl,
      ...first.environment,
    };
    return [
      {
        section: LISTENER_PREFIX + name,
        group: name,
        words: (written === undefined ? running : first.words) ?? [],
        flags: written?.flags,
        config: configOf(written?.flags ?? runningFlags, environment),
        settings: { ...first, group: name, pool, processes: processes.length },
      },
    ];
  });
}

/** The groups whose running process is the exporter, where the configuration could not be read. */
export function findRunning(groups: readonly string[], search: ListenerSearch): Listener[] {
  return groups.flatMap((group) => {
    const words = search.runningWords(group) ?? [];
    const flags = flagsAfter(words, search.program);
    if (flags === undefined) return [];
    const section = LISTENER_PREFIX + group;
    const config = configOf(flags, search.environment);
    return [{ section, group, words, flags: undefined, config, settings: undefined }];
  });
}

/** The name of the section of a program that runs the exporter, which receives no events. */
export function findRunAsProgram(
  { groups, sections }: Configuration,
  program: string,
): string | undefined {
  const isExporter = ({ pool, processes }: Group) =>
    pool === undefined && processes.some((settings) => flagsOf(settings, program) !== undefined);
  const name = groups.find(isExporter)?.name;
  return name && sections.find((section) => section.endsWith(`program:${name}`));
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

/** The flags that follow the exporter's file; undefined where the words do not run it. */
export function flagsAfter(words: readonly string[], program: string): string[] | undefined {
  const at = words.findIndex((word) => word === program || isExporterFile(word));
  return at === -1 ? undefined : words.slice(at + 1);
}

/** `flags` is undefined where a shell computes them. */
function flagsOf(
  { words = [], shellWords = [] }: ProcessSettings,
  program: string,
): { readonly flags: readonly string[] | undefined } | undefined {
  const flags = flagsAfter(words, program);
  if (flags !== undefined) return { flags };
  const inShell = flagsAfter(shellWords, program);
  if (inShell === undefined) return undefined;
  const end = inShell.findIndex((word) => /^\d*[<>|&;]/.test(word));
  const own = end === -1 ? inShell : inShell.slice(0, end);
  return { flags: own.some((word) => /[$\x60*?;]/.test(word)) ? undefined : own };
}

function isExporterFile(word: string): boolean {
  return /^supervisor-exporter(?:\.c?js)?$/.test(basename(word));
}

function configOf(
  flags: readonly string[] | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): ConfigResult {
  if (flags === undefined) return { kind: 'unknown' };
  try {
    const invocation = parseCommandLine(flags, environment);
    if (invocation.kind === 'run') return { kind: 'valid', config: invocation.config };
    return { kind: 'invalid', reason: `with these flags it runs ${invocation.kind} instead` };
  } catch (error) {
    if (error instanceof UsageError) return { kind: 'invalid', reason: error.message };
    throw error;
  }
}
