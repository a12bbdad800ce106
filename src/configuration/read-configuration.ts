/** Runs supervisord's own reader, with supervisord's user, folder and environment. */

import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { describeSystemError } from '../util/errno.ts';
import { messageOf } from '../util/errors.ts';
import type {
  Configuration,
  Group,
  HttpServer,
  ProcessSettings,
  Reading,
} from './configuration.ts';
import {
  type Fields,
  fieldsOf,
  readBoolean,
  readList,
  readNumber,
  readOptional,
  readText,
} from './fields.ts';
import { READER_PROGRAM } from './reader-program.ts';
import type { Interpreter } from './supervisord-process.ts';

/** The circumstances in which supervisord reads its configuration. */
export interface ReaderOptions {
  readonly interpreter: Interpreter;
  /** supervisord's command line, without the script. */
  readonly args: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Present where doctor is root and supervisord is not. */
  readonly user: { readonly uid: number; readonly gid: number } | undefined;
}

const TIMEOUT_MS = 20_000;
const MAX_ANSWER_LENGTH = 64 * 1024 * 1024;

export async function readConfiguration(options: ReaderOptions): Promise<Reading> {
  const answer = await runReader(options);
  if (answer.kind === 'failed') return { kind: 'no-reader', reason: answer.reason };
  try {
    return parseReading(JSON.parse(answer.text));
  } catch (error) {
    return { kind: 'no-reader', reason: `its answer cannot be read: ${messageOf(error)}` };
  }
}

type Answer =
  | { readonly kind: 'answered'; readonly text: string }
  | { readonly kind: 'failed'; readonly reason: string };

function runReader({ interpreter, args, cwd, environment, user }: ReaderOptions): Promise<Answer> {
  const [program = '', ...flags] = interpreter.words;
  // -B: no .pyc files.
  const words = [
    ...flags,
    '-B',
    '-c',
    READER_PROGRAM,
    interpreter.moduleFolder,
    interpreter.script,
  ];
  return new Promise((resolve) => {
    const child = spawn(program, [...words, ...args], {
      cwd,
      env: environment,
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
      ...user,
    });
    let text = '';
    let errors = '';
    // A module of the user's may print anything; only the last line of an error is of use.
    child.stderr?.setEncoding('utf8').on('data', (part: string) => {
      errors = (errors + part).slice(-4096);
    });
    const output = child.stdio[3] as Readable;
    output.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      if (text.length > MAX_ANSWER_LENGTH) child.kill('SIGKILL');
    });
    child.on('error', (error) => {
      resolve({ kind: 'failed', reason: `${program}: ${describeSystemError(error)}` });
    });
    child.on('close', (code, signal) => {
      if (code === 0 && text !== '') return resolve({ kind: 'answered', text });
      const last = errors.trimEnd().split('\n').at(-1) ?? '';
      const end = signal === null ? `exit status ${code}` : `ended by ${signal}`;
      resolve({ kind: 'failed', reason: `${program}: ${end}${last === '' ? '' : `: ${last}`}` });
    });
  });
}

export function parseReading(answer: unknown): Reading {
  const fields = fieldsOf(answer);
  const kind = readText(fields, 'kind');
  switch (kind) {
    case 'accepted':
      return { kind, configuration: parseConfiguration(fields) };
    case 'refused':
      return {
        kind,
        reason: readText(fields, 'reason'),
        path: readOptional(fields, 'path', readText),
        included: readList(fields, 'included').map(String),
        searched: readList(fields, 'searched').map(String),
      };
    default:
      return { kind: 'no-reader', reason: readText(fields, 'reason') };
  }
}

function parseConfiguration(fields: Fields): Configuration {
  return {
    version: readText(fields, 'version'),
    path: readText(fields, 'path'),
    included: readList(fields, 'included').map(String),
    patterns: readList(fields, 'patterns').map(String),
    usesEnvironment: readBoolean(fields, 'usesEnvironment'),
    sections: readList(fields, 'sections').map(String),
    logfile: readText(fields, 'logfile'),
    loglevel: readNumber(fields, 'loglevel'),
    serverUrl: readOptional(fields, 'serverUrl', readText),
    servers: readList(fields, 'servers').map(fieldsOf).map(parseServer),
    interfaces: readList(fields, 'interfaces').map(String),
    groups: readList(fields, 'groups').map(fieldsOf).map(parseGroup),
    eventKinds: Object.fromEntries(
      Object.entries(fieldsOf(fields['eventKinds'])).map(([name, kinds]) => [
        name,
        Array.isArray(kinds) ? kinds.map(String) : [],
      ]),
    ),
  };
}

function parseServer(fields: Fields): HttpServer {
  return {
    section: readText(fields, 'section'),
    file: readOptional(fields, 'file', readText),
    host: readOptional(fields, 'host', readText),
    port: readOptional(fields, 'port', readNumber),
    username: readOptional(fields, 'username', readText),
    password: readOptional(fields, 'password', readText),
  };
}

function parseGroup(fields: Fields): Group {
  return {
    name: readText(fields, 'name'),
    priority: readNumber(fields, 'priority'),
    processes: readList(fields, 'processes').map(fieldsOf).map(parseProcess),
    pool: readOptional(fields, 'pool', (_, name) => {
      const pool = fieldsOf(fields[name]);
      return {
        events: readList(pool, 'events').map(String),
        received: readList(pool, 'received').map(String),
        bufferSize: readNumber(pool, 'bufferSize'),
      };
    }),
  };
}

function parseProcess(fields: Fields): ProcessSettings {
  const words = (name: string) =>
    readOptional(fields, name, () => readList(fields, name).map(String));
  return {
    name: readText(fields, 'name'),
    command: readText(fields, 'command'),
    words: words('words'),
    shellWords: words('shellWords'),
    directory: readOptional(fields, 'directory', readText),
    uid: readOptional(fields, 'uid', readNumber),
    priority: readNumber(fields, 'priority'),
    autostart: readBoolean(fields, 'autostart'),
    autorestart: readText(fields, 'autorestart'),
    exitcodes: readList(fields, 'exitcodes').map(Number),
    startsecs: readNumber(fields, 'startsecs'),
    redirectStderr: readBoolean(fields, 'redirectStderr'),
    environment: Object.fromEntries(
      Object.entries(fieldsOf(fields['environment'])).map(([name, value]) => [name, String(value)]),
    ),
    serverUrl: readOptional(fields, 'serverUrl', readText),
    stdoutLogfile: readText(fields, 'stdoutLogfile'),
    stdoutMaxbytes: readNumber(fields, 'stdoutMaxbytes'),
    stderrLogfile: readText(fields, 'stderrLogfile'),
    stderrSyslog: readBoolean(fields, 'stderrSyslog'),
  };
}
