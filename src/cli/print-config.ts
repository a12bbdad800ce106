/** `supervisor-exporter print-config`: the shipped section, with the command of this machine. */

import { UnprintableCommandError } from '../util/errors.ts';
import { quoteWord } from './shlex.ts';

declare const BUILD_SECTION: string | undefined;

/** supervisor/exporter.conf; `npm run build` inserts it. */
const SHIPPED_SECTION = typeof BUILD_SECTION === 'string' ? BUILD_SECTION : 'command=\n';

/** The section with these words as its command. Throws UnprintableCommandError. */
export function printConfig(words: readonly string[], section = SHIPPED_SECTION): string {
  const command = formatCommand(words);
  return section.replace(/^command=.*$/m, () => `command=${command}`);
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
