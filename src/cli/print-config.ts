/** `supervisor-exporter print-config`: the shipped section, with the command of this machine. */

import { resolve } from 'node:path';
import { parseEndpoint } from '../rpc/endpoint.ts';
import { UnprintableCommandError } from '../util/errors.ts';
import { type Credentials, parseHttpUrl } from '../util/url.ts';
import { ALERTMANAGER_VARIABLE, FLAGS } from './flags.ts';
import { quoteWord } from './shlex.ts';
import type { Flag, GivenFlag } from './usage.ts';

declare const BUILD_SECTION: string | undefined;

/** supervisor/exporter.conf; `npm run build` inserts it. */
const SHIPPED_SECTION =
  typeof BUILD_SECTION === 'string'
    ? BUILD_SECTION
    : '[eventlistener:exporter]\ncommand=\nenvironment=MALLOC_ARENA_MAX="1"\n;environment=\n';

/** A name for the section. */
export interface SectionName {
  readonly name: string;
  /** Why it is not known whether supervisord already has that name; undefined if it is known. */
  readonly doubt: string | undefined;
}

export interface PrintOptions {
  /** The words that run this program. */
  readonly program: readonly string[];
  readonly flags: readonly GivenFlag[];
  /** Where the names of files start. */
  readonly cwd: string;
  readonly section: SectionName;
}

/** Throws UnprintableCommandError. */
export function printConfig(
  { program, flags, cwd, section }: PrintOptions,
  shipped = SHIPPED_SECTION,
): string {
  const { words, variables } = splitSecrets(flags, cwd);
  const command = formatCommand([...program, ...words]);
  const environment = Object.entries(variables).map(
    ([name, value]) => `${name}=${formatValue(name, value)}`,
  );
  const doubt =
    section.doubt === undefined
      ? ''
      : `; No program or group may have this name; that could not be checked:\n; ${section.doubt}\n`;
  return shipped
    .replace(/^\[eventlistener:.*\]$/m, () => `${doubt}[eventlistener:${section.name}]`)
    .replace(/^command=.*$/m, () => `command=${command}`)
    .replace(/^environment=(.*)\n(?:;.*\n)*;environment=.*$/m, (lines, shippedVariables: string) =>
      environment.length === 0
        ? lines
        : `; Passwords are here, because every user of the host can read a command:\nenvironment=${[shippedVariables, ...environment].join(',')}`,
    );
}

/** The words of the command, and the environment variables that hold the URLs' passwords. */
function splitSecrets(flags: readonly GivenFlag[], cwd: string) {
  const variables: Record<string, string> = {};
  const words = flags.flatMap(({ name, value }) => {
    if (value === undefined) return [`--${name}`];
    if (name === 'supervisor.url') {
      const { credentials } = parseEndpoint(value, {});
      if (credentials === undefined) return [`--${name}=${value}`];
      variables['SUPERVISOR_USERNAME'] = credentials.username;
      variables['SUPERVISOR_PASSWORD'] = credentials.password;
      return [`--${name}=${withoutCredentials(value)}`];
    }
    if (name === 'alertmanager.url') {
      const credentials = parseHttpUrl(value)?.credentials;
      if (credentials === undefined) return [`--${name}=${value}`];
      const url = withCredentials(withoutCredentials(value), credentials);
      const others = variables[ALERTMANAGER_VARIABLE];
      variables[ALERTMANAGER_VARIABLE] = others === undefined ? url : `${others} ${url}`;
      return [];
    }
    const flag: Flag | undefined = Object.hasOwn(FLAGS, name)
      ? FLAGS[name as keyof typeof FLAGS]
      : undefined;
    return [`--${name}=${flag?.isPath ? resolve(cwd, value) : value}`];
  });
  return { words, variables };
}

/** The username and password end at the last `@` before the path. */
function withoutCredentials(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/]*@/i, '$1');
}

/** Percent-encoded, so that no character has a meaning in supervisord's file. */
function withCredentials(url: string, { username, password }: Credentials): string {
  const userinfo = `${encodeURIComponent(username)}:${encodeURIComponent(password)}`;
  return url.replace('://', () => `://${userinfo}@`);
}

/**
 * Formats a command for supervisord's configuration, which is read in three steps: a line, in
 * which ` ;` and ` #` begin a comment; then `%` formats; then the words of a shell.
 */
export function formatCommand(words: readonly string[]): string {
  if (words.some((word) => /[\r\n\0]/.test(word))) {
    throw new UnprintableCommandError(
      "an argument contains a line break or a null character, which supervisord's configuration cannot hold",
    );
  }
  return (
    words
      .map(quoteWord)
      .join(' ')
      // The word is quoted already; two quotes before the character separate it from a space.
      .replaceAll(/[;#]/g, "''$&")
      .replaceAll('%', '%%')
  );
}

/**
 * Formats a value of `environment=`. Quotes know no escapes, supervisord removes quotes at both ends,
 * and ` ;` and ` #` begin a comment even in quotes.
 */
function formatValue(name: string, value: string): string {
  const quote = value.includes('"') ? "'" : '"';
  const isPrintable =
    !/[\r\n\0]|\s[;#]|^[\s"';#]|["']$/.test(value) && !value.includes(quote) && value !== '';
  if (!isPrintable) {
    throw new UnprintableCommandError(
      `the value of ${name} has a form that environment= in supervisord's configuration cannot hold`,
    );
  }
  return `${quote}${value.replaceAll('%', '%%')}${quote}`;
}
