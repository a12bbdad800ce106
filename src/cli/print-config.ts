/** `supervisor-exporter print-config`: the shipped section, with the command of this machine. */

import { quoteWord } from './shlex.ts';

declare const BUILD_SECTION: string | undefined;

/** supervisor/exporter.conf; `npm run build` writes it in. */
const SHIPPED_SECTION = typeof BUILD_SECTION === 'string' ? BUILD_SECTION : 'command=\n';

/** A command that can't stand in supervisord's configuration; the message says why. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

/** The section with these words as its command. Throws CommandError. */
export function printConfig(words: readonly string[], section = SHIPPED_SECTION): string {
  const command = formatCommand(words);
  return section.replace(/^command=.*$/m, () => `command=${command}`);
}

/**
 * A command as supervisord reads it from its configuration: a line, in which ` ;` and ` #`
 * begin a comment; then `%` formats; then the words of a shell.
 */
export function formatCommand(words: readonly string[]): string {
  const broken = words.find((word) => /[\r\n\0]/.test(word));
  if (broken !== undefined) {
    throw new CommandError(
      `${JSON.stringify(broken)} has a line break, which supervisord's configuration can't hold`,
    );
  }
  return (
    words
      .map(quoteWord)
      .join(' ')
      // An empty quotation before it keeps it from following a space; it is in quotes already.
      .replaceAll(/[;#]/g, "''$&")
      .replaceAll('%', '%%')
  );
}
