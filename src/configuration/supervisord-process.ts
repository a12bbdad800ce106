/** Finds running supervisords in /proc, and how to run the Python of one. */

import { readdirSync, readlinkSync } from 'node:fs';
import { basename, dirname, isAbsolute, resolve } from 'node:path';
import { exists, findExecutable, readText, withoutLinks } from './files.ts';

/** What `/proc` has of a running supervisord; undefined where this user may not read it. */
export interface SupervisordProcess {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  readonly parent: number;
  readonly words: readonly string[];
  readonly cwd: string | undefined;
  readonly environment: Readonly<Record<string, string>> | undefined;
  /** The program that runs: the interpreter, or a supervisord without one. */
  readonly executable: string | undefined;
}

/** How a command line of supervisord is put together. */
interface CommandLine {
  /** The interpreter's own flags, such as -E. */
  readonly interpreterFlags: readonly string[];
  /** undefined for `python -m supervisor.supervisord`. */
  readonly script: string | undefined;
  readonly args: readonly string[];
}

/** Flags of the interpreter that take a value as a word of its own. */
const VALUE_FLAGS: readonly string[] = ['-W', '-X'];

const MODULES: readonly string[] = ['supervisor', 'supervisor.supervisord'];

/** Undefined for the command line of another program. */
export function parseSupervisordCommand(words: readonly string[]): CommandLine | undefined {
  const [first = ''] = words;
  if (basename(first) === 'supervisord') {
    return { interpreterFlags: [], script: first, args: words.slice(1) };
  }
  if (!isPython(first)) return undefined;
  let at = 1;
  while (words[at]?.startsWith('-') && words[at] !== '-m' && words[at] !== '-c') {
    at += VALUE_FLAGS.includes(words[at] ?? '') ? 2 : 1;
  }
  const interpreterFlags = words.slice(1, at);
  const script = words[at];
  if (script === '-m') {
    const isSupervisord = MODULES.includes(words[at + 1] ?? '');
    return isSupervisord
      ? { interpreterFlags, script: undefined, args: words.slice(at + 2) }
      : undefined;
  }
  if (script === undefined || !/^supervisord(?:\.py)?$/.test(basename(script))) return undefined;
  return { interpreterFlags, script, args: words.slice(at + 1) };
}

function isPython(word: string): boolean {
  return /^(?:python|pypy)[\d.]*$/.test(basename(word));
}

export function findSupervisords(): SupervisordProcess[] {
  const found = namesIn('/proc')
    .filter((name) => /^\d+$/.test(name) && isInSameMountNamespace(name))
    .flatMap((name) => readSupervisord(Number(name)) ?? []);
  const pids = found.map(({ pid }) => pid);
  // A child that has not run its program yet still has the command line of supervisord.
  return found.filter(({ parent }) => !pids.includes(parent));
}

/** The paths of a supervisord in a container are not those of this host. */
function isInSameMountNamespace(pid: string): boolean {
  const other = linkOf(`/proc/${pid}/ns/mnt`);
  return other === undefined || other === linkOf('/proc/self/ns/mnt');
}

/** Undefined where there is no such process, or where it is another program. */
export function readSupervisord(pid: number): SupervisordProcess | undefined {
  const words = readWords(`/proc/${pid}/cmdline`);
  if (words === undefined || parseSupervisordCommand(words) === undefined) return undefined;
  const ids = readIds(pid);
  if (ids === undefined) return undefined;
  const environment = readWords(`/proc/${pid}/environ`);
  return {
    pid,
    ...ids,
    words,
    cwd: linkOf(`/proc/${pid}/cwd`),
    environment: environment && Object.fromEntries(environment.flatMap(variableOf)),
    executable: linkOf(`/proc/${pid}/exe`),
  };
}

/** The command line of any process; undefined where it is gone. */
export function readWords(path: string): string[] | undefined {
  return readText(path)?.replace(/\0$/, '').split('\0');
}

function variableOf(text: string): (readonly [name: string, value: string])[] {
  const end = text.indexOf('=');
  return end < 1 ? [] : [[text.slice(0, end), text.slice(end + 1)]];
}

/** The effective user and group. */
function readIds(pid: number): { uid: number; gid: number; parent: number } | undefined {
  const status = readText(`/proc/${pid}/status`) ?? '';
  const [, parent] = /^PPid:\t(\d+)/m.exec(status) ?? [];
  const [, uid] = /^Uid:\t\d+\t(\d+)/m.exec(status) ?? [];
  const [, gid] = /^Gid:\t\d+\t(\d+)/m.exec(status) ?? [];
  if (uid === undefined || gid === undefined) return undefined;
  return { uid: Number(uid), gid: Number(gid), parent: Number(parent) };
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/**
 * The configuration file of a running supervisord, or the first that exists of those it searches;
 * undefined where that cannot be known.
 */
export function configFileOf({ words, cwd }: SupervisordProcess): string | undefined {
  const command = parseSupervisordCommand(words);
  if (command === undefined) return undefined;
  const given = configArgument(command.args);
  const folder = cwd ?? '/';
  if (given !== undefined)
    return cwd !== undefined || isAbsolute(given) ? resolve(folder, given) : undefined;
  return searchPaths(command.script, folder).find(exists);
}

/** The value of -c or --configuration, as getopt reads it. */
function configArgument(args: readonly string[]): string | undefined {
  for (const [index, word] of args.entries()) {
    const [name = '', ...value] = word.split('=');
    // A long option may be shortened; --co is the shortest that is not another's, too.
    const isLong = name.length >= '--co'.length && '--configuration'.startsWith(name);
    if (isLong) return value.length > 0 ? value.join('=') : args[index + 1];
    const [, joined] = /^-[nskt]*c(.*)$/s.exec(word) ?? [];
    if (joined !== undefined) return joined === '' ? args[index + 1] : joined;
  }
  return undefined;
}

/** The paths that supervisord searches for its configuration, in its order (its options.py). */
export function searchPaths(script: string | undefined, cwd: string): string[] {
  const prefix = script === undefined ? cwd : resolve(cwd, dirname(dirname(script)));
  return [
    `${prefix}/etc/supervisord.conf`,
    `${prefix}/supervisord.conf`,
    `${cwd}/supervisord.conf`,
    `${cwd}/etc/supervisord.conf`,
    '/etc/supervisord.conf',
    '/etc/supervisor/supervisord.conf',
  ];
}

/** How to run a program with supervisord's own Python. */
export interface Interpreter {
  /** The interpreter and its flags. */
  readonly words: readonly string[];
  /** The folder that Python puts first on the module path of supervisord. */
  readonly moduleFolder: string;
  /** What supervisord's argv[0] is. */
  readonly script: string;
}

/**
 * That of the running supervisord: the first word of its command line, which keeps a virtual
 * environment; else the one that its script names, or the `supervisord` in PATH; else its
 * executable. Undefined where none is a Python.
 */
export function interpreterOf(
  process: SupervisordProcess | undefined,
  path: string,
  cwd: string,
): Interpreter | undefined {
  const command = process && parseSupervisordCommand(process.words);
  const folder = process?.cwd ?? cwd;
  const running = command && {
    ...command,
    script: command.script && resolve(folder, command.script),
  };
  const installed = findExecutable('supervisord', path);
  const script = running?.script ?? installed;
  const from = (words: readonly string[]): Interpreter => ({
    words,
    moduleFolder:
      running !== undefined && running.script === undefined
        ? folder
        : dirname(withoutLinks(script ?? '/')),
    script: script ?? 'supervisord',
  });

  const [first = ''] = process?.words ?? [];
  const named = isPython(first)
    ? findExecutable(first.includes('/') ? resolve(folder, first) : first, path)
    : undefined;
  if (named !== undefined) return from([named, ...(running?.interpreterFlags ?? [])]);
  for (const candidate of [running?.script, installed]) {
    const shebang = candidate === undefined ? undefined : readShebang(candidate);
    if (shebang !== undefined) return from(shebang);
  }
  const executable = process?.executable;
  return executable !== undefined && isPython(executable) ? from([executable]) : undefined;
}

/** The interpreter that a script names; undefined where it is no Python. */
export function readShebang(script: string): string[] | undefined {
  const head = (readText(script) ?? '').slice(0, 4096);
  // pip's form for an interpreter whose path is long or has a blank.
  const [, exec] = /^#!\/bin\/sh\n'''exec' "?([^"\n]+?)"? "\$0"/.exec(head) ?? [];
  if (exec !== undefined) return isPython(exec) ? [exec] : undefined;
  const [, line = ''] = /^#!\s*(.+)/.exec(head) ?? [];
  const [program = '', ...rest] = line.trim().split(/\s+/);
  const python =
    basename(program) === 'env' ? (rest.find((word) => !word.startsWith('-')) ?? '') : program;
  return isPython(python) ? [program, ...rest] : undefined;
}
