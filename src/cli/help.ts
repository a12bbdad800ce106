/** What the program says of itself to a person. */

import { COMMANDS, FLAGS, type Flag } from './flags.ts';

/** For somebody who has started it on a terminal. */
export const BY_HAND = `\
supervisor-exporter is run by supervisord, as an event listener, and not by hand.

  supervisor-exporter print-config   prints the section for supervisord's configuration
  supervisor-exporter doctor         checks a supervisord and the exporter in it
  supervisor-exporter --help         lists the flags
`;

/** The text of --help. */
export function helpText(): string {
  const flags = Object.entries<Flag>(FLAGS).flatMap(([name, flag]) => {
    if (flag.help === undefined) return [];
    const value = flag.value === undefined ? '' : `=${flag.value}`;
    const short = flag.short === undefined ? '' : `, -${flag.short}`;
    return `  --${name}${value}${short}\n${wrap(flag.help, '        ')}`;
  });
  const commands = Object.entries(COMMANDS).map(
    ([name, help]) => `  ${name}\n${wrap(help, '        ')}`,
  );
  return `usage: supervisor-exporter [flags]
       supervisor-exporter print-config [flags]
       supervisor-exporter doctor [--supervisor.url=URL] [--supervisor.config=FILE]

Prometheus exporter for Supervisor. supervisord runs it as an event listener and
tells it every state change of every program as it happens.

Commands, for people:

${commands.join('\n')}

Flags, with their defaults:

${flags.join('\n')}

GET /metrics serves the metrics, / is a page for people, /-/healthy and /-/ready
answer probes.
`;
}

const HELP_WIDTH = 80;

function wrap(text: string, indent: string): string {
  const lines = [indent];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? '';
    if (line.length + word.length > HELP_WIDTH && line !== indent) lines.push(`${indent}${word} `);
    else lines[lines.length - 1] = `${line}${word} `;
  }
  return lines.map((line) => line.trimEnd()).join('\n');
}
