/** The man page, from the table of flags. */

import { COMMANDS, FLAGS } from '../src/cli/flags.ts';
import { formOfFlag } from '../src/cli/help.ts';
import type { Flag } from '../src/cli/usage.ts';
import { PACKAGE } from './package-info.ts';

/** `time` is in seconds. */
export function formatManPage(time: number): string {
  const date = new Date(time * 1000).toISOString().slice(0, 10);
  return [
    `.TH SUPERVISOR\\-EXPORTER 1 ${quote(date)} ${quote(`supervisor-exporter ${PACKAGE.version}`)} "User Commands"`,
    '.SH NAME',
    `supervisor\\-exporter \\- ${escapeRoff(PACKAGE.description)}`,
    '.SH SYNOPSIS',
    '.B supervisor\\-exporter',
    '.RI [ flags ]',
    ...Object.keys(COMMANDS).flatMap((name) => [
      '.br',
      `.B supervisor\\-exporter ${escapeRoff(name)}`,
      ...(name === 'help' ? [] : ['.RI [ flags ]']),
    ]),
    '.SH DESCRIPTION',
    'supervisord runs it as an event listener and sends it every state change of every process.',
    'Its metrics, in the format of Prometheus, and a page for people are served by HTTP.',
    '.SH COMMANDS',
    ...Object.entries(COMMANDS).flatMap(([name, help]) => item(`.B ${escapeRoff(name)}`, help)),
    '.SH OPTIONS',
    ...Object.entries<Flag>(FLAGS).flatMap(([name, flag]) => item(headOf(name, flag), flag.help)),
    '.SH EXIT STATUS',
    ...item('.B 0', 'The end of standard input or a SIGTERM; doctor: no problem was found.'),
    ...item('.B 1', 'The events can no longer be followed; doctor: a problem was found.'),
    ...item('.B 2', 'The command line or the web configuration is not valid.'),
    '.SH ENVIRONMENT',
    ...item('.B SUPERVISOR_SERVER_URL', 'The URL of supervisord; supervisord sets it.'),
    ...item(
      '.BR SUPERVISOR_USERNAME ", " SUPERVISOR_PASSWORD',
      "The credentials of supervisord's HTTP server, where it requires them.",
    ),
    '.SH FILES',
    ...item(
      '.I /usr/share/supervisor\\-exporter/exporter.conf',
      'The section for /etc/supervisor/conf.d, as print-config prints it.',
    ),
    ...item(
      '.I /usr/share/supervisor\\-exporter/prometheus\\-rules',
      'Alerting and recording rules with their runbook.',
    ),
    ...item('.I /usr/share/supervisor\\-exporter/grafana', 'A dashboard for Grafana.'),
    '.SH SEE ALSO',
    '.BR supervisord (1),',
    `.UR ${PACKAGE.homepage}`,
    '.UE',
    '',
  ].join('\n');
}

function headOf(name: string, flag: Flag): string {
  const shown = flag.default ?? flag.value ?? (flag.type === 'string' ? 'VALUE' : undefined);
  const value = shown === undefined ? '' : `=\\fI${escapeRoff(String(shown))}`;
  const short = flag.short === undefined ? '' : `, \\fB\\-${flag.short}\\fR`;
  return `\\fB${escapeRoff(formOfFlag(name, flag))}\\fR${value}\\fR${short}`;
}

function item(head: string, text: string): string[] {
  return ['.TP', head, escapeRoff(text)];
}

/** A line that begins with a dot or an apostrophe would be a request to roff. */
function escapeRoff(text: string): string {
  return text
    .replaceAll('\\', '\\(rs')
    .replaceAll('-', '\\-')
    .replaceAll('…', '...')
    .replaceAll("'", '\\(aq')
    .replace(/^\./, '\\&.');
}

function quote(text: string): string {
  return `"${escapeRoff(text)}"`;
}
