/** The texts for people who start the program by hand, made from the table of flags. */

import { COMMANDS, FLAGS } from './flags.ts';
import type { Flag } from './usage.ts';

/** Printed where stdin is a terminal. */
export const BY_HAND = `\
supervisor-exporter is an event listener: supervisord starts it. These run by hand:

  supervisor-exporter print-config   prints the section for supervisord's configuration
  supervisor-exporter doctor         checks a supervisord and its exporter
  supervisor-exporter rules          writes alert rules and a dashboard for Prometheus
  supervisor-exporter --help         lists the flags
`;

/** The text of --help. */
export function helpText(): string {
  const flags = Object.entries<Flag>(FLAGS).map(([name, flag]) => {
    const { initially } = flag;
    const shown = flag.default ?? flag.value ?? flag.choices?.join('|');
    const value = shown === undefined ? '' : `=${shown}`;
    const short = flag.short === undefined ? '' : `, -${flag.short}`;
    const state =
      initially === undefined ? '' : ` ${initially === 'on' ? 'On' : 'Off'} by default.`;
    return `  ${formOfFlag(name, flag)}${value}${short}\n${wrap(flag.help + state, '        ')}`;
  });
  const commands = Object.entries(COMMANDS).map(
    ([name, help]) => `  ${name}\n${wrap(help, '        ')}`,
  );
  return `usage: supervisor-exporter [flags]
       supervisor-exporter print-config [flags]
       supervisor-exporter doctor [--supervisor.url=URL] [--supervisor.config=FILE]
       supervisor-exporter rules [--output=DIR] [--job=NAME] [flags]

Prometheus exporter for Supervisor. It runs as an event listener of supervisord and
receives every state change of every process as an event.

Commands to run by hand:

${commands.join('\n')}

Flags with their defaults:

${flags.join('\n')}

/metrics serves the metrics and / a page; /-/healthy, /-/ready and /-/programs are
for health checks.
`;
}

/** A boolean flag with both forms is written as kingpin does. */
export function formOfFlag(name: string, { initially }: Flag): string {
  return initially === undefined ? `--${name}` : `--[no-]${name}`;
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
