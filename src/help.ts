/** What the program says of itself to a person. */

import { FLAGS, type Flag } from './config.ts';

/** The least that makes it work; supervisor/exporter.conf has the rest, with the reasons. */
const SECTION = `\
  [eventlistener:exporter]
  command=supervisor-exporter
  events=PROCESS_STATE,PROCESS_GROUP,REMOTE_COMMUNICATION,SUPERVISOR_STATE_CHANGE,TICK_60
  buffer_size=8192
  priority=-9876
  autorestart=true
`;

/** For somebody who has started it on a terminal. */
export const BY_HAND = `\
supervisor-exporter is run by supervisord, as an event listener, and not by hand.

Put this into supervisord's configuration, then run "supervisorctl update":

${SECTION}
"supervisor-exporter --help" lists the flags.
`;

/** The text of --help. */
export function helpText(): string {
  const flags = Object.entries<Flag>(FLAGS).flatMap(([name, flag]) => {
    if (flag.help === undefined) return [];
    const value = flag.value === undefined ? '' : `=${flag.value}`;
    const short = flag.short === undefined ? '' : `, -${flag.short}`;
    return `  --${name}${value}${short}\n${wrap(flag.help, '        ')}`;
  });
  return `usage: supervisor-exporter [flags]

Prometheus exporter for Supervisor. supervisord runs it as an event listener and
tells it every state change of every program as it happens:

${SECTION}
Flags, with their defaults:

${flags.join('\n')}

GET /metrics serves the metrics, /-/healthy and /-/ready answer probes.
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
