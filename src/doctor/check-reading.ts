/** Checks whether supervisord accepts its configuration. */

import { dirname } from 'node:path';
import type { Reading } from '../configuration/configuration.ts';
import type { Facts } from './facts.ts';
import { describePlace, type Finding, fail, ok, type Section, warn, write } from './finding.ts';
import type { Places } from './places.ts';

export function checkReading({
  reading,
  candidates,
  isEnvironmentKnown,
  places,
}: Pick<Facts, 'reading' | 'candidates' | 'isEnvironmentKnown' | 'places'>): Finding[] {
  return [
    ...checkCandidates(candidates),
    ...describeReading(reading, places, isEnvironmentKnown),
    ...(reading.kind === 'accepted' && reading.configuration.usesEnvironment && !isEnvironmentKnown
      ? [
          warn(
            'environment',
            "the configuration uses variables of supervisord's environment, which this user may not read; doctor used its own",
            'start supervisord if it does not run; run doctor as root or as the user of supervisord',
          ),
        ]
      : []),
  ];
}

function checkCandidates(candidates: readonly string[]): Finding[] {
  if (candidates.length === 0) return [];
  return [
    fail(
      'supervisord',
      `several supervisords run: ${candidates.join(', ')}`,
      'choose one by its file or its URL: supervisor-exporter doctor --supervisor.config=FILE --supervisor.url=URL',
    ),
  ];
}

function describeReading(
  reading: Reading,
  places: Places,
  isEnvironmentKnown: boolean,
): readonly Finding[] {
  switch (reading.kind) {
    case 'accepted': {
      const { path, included, version } = reading.configuration;
      const more = included.length === 0 ? '' : ` and ${included.length} included`;
      return [ok('configuration', `${path}${more}, as supervisord ${version} reads it`)];
    }
    case 'no-reader':
      return [
        fail(
          'configuration',
          `supervisord's own code could not be run to read it: ${reading.reason}`,
          'run doctor on the host of supervisord, as root or as its user; start supervisord, or put it into PATH',
        ),
      ];
    case 'refused':
      return [describeRefusal(reading, places, isEnvironmentKnown)];
    default: {
      const unhandled: never = reading;
      throw new Error(`unhandled reading ${JSON.stringify(unhandled)}`);
    }
  }
}

function describeRefusal(
  { path, reason, searched }: Reading & { kind: 'refused' },
  places: Places,
  isEnvironmentKnown: boolean,
): Finding {
  if (path === undefined) {
    return fail(
      'configuration',
      `no configuration file of supervisord found: ${searched.join(', ')}`,
      'name the file: supervisor-exporter doctor --supervisor.config=FILE',
    );
  }
  if (/^could not (?:find|read) config file/.test(reason)) {
    return fail(
      'configuration',
      `${reason.replace(/^could not (\w+) config file /, 'supervisord could not $1 ')}`,
      'run doctor as root or as the user of supervisord; if it is another file, name it: --supervisor.config=FILE',
    );
  }
  const how = isEnvironmentKnown ? '' : ', with the environment of doctor';
  return fail(
    'configuration',
    `supervisord refuses ${path}${how}: ${withoutValues(reason)}`,
    `correct ${placeOf(reason, places) ?? path}`,
  );
}

/** The section that the message names, and the option where it names one as well. */
function placeOf(reason: string, places: Places): string | undefined {
  const [, line] = /(?:\[line +|, line: )(\d+)/.exec(reason) ?? [];
  const [, file] = /(?:errors: |source: |file: )'?([^'\n,]+)'?/.exec(reason) ?? [];
  if (line !== undefined && file !== undefined) return `${file}:${line}`;
  const [, quoted, bracketed] = /in section '([^']+)'|\[([\w-]+(?::[^\]]+)?)\]/.exec(reason) ?? [];
  const [, dotted = '', option = ''] = /for '((?:[^'.]|\.(?=[^']*\.))+)\.(\w+)'/.exec(reason) ?? [];
  const section = quoted ?? bracketed ?? dotted;
  const place = places.option(section, option) ?? places.section(section);
  return place && describePlace(place);
}

/**
 * The message without what may be a password: the line that cannot be parsed, and the text of
 * `environment=` and of a value that cannot be expanded.
 */
function withoutValues(reason: string): string {
  return reason
    .replace(/(key\/value pairs in value ')[\s\S]*(')(?= in section|$)/, '$1…$2')
    .replace(/^(Format string )(?:'[\s\S]*'|"[\s\S]*") (for '[^']*')/, '$1$2')
    .replace(/\. Available names: [^)]*$|\. Available names: .*?(?= in section '|$)/s, '')
    .replaceAll(/(\[line +\d+\]): (?:'[^\n]*'|"[^\n]*")/g, '$1')
    .replace(/(, line: \d+)\n[\s\S]*$/, '$1');
}

/** A lower level also logs the output of programs, a higher one omits exits. */
const INFO = 20;

export function checkLog(
  section: Section,
  { logfile, loglevel }: { readonly logfile: string; readonly loglevel: number },
  freeBytes: number | undefined,
): Finding[] {
  const findings: Finding[] = [];
  const fix = `${write(section, 'loglevel=info')}, or remove -e from the command of supervisord; then restart supervisord`;
  if (loglevel < INFO) {
    const message = `${LEVEL_NAMES[loglevel] ?? loglevel}: supervisord copies the output of programs into its log, secrets included`;
    findings.push(fail('loglevel', message, fix));
  }
  if (loglevel > INFO) {
    const message = `${LEVEL_NAMES[loglevel] ?? loglevel}: exits, their signals and failed starts are not logged, so their reasons may stay unknown`;
    findings.push(warn('loglevel', message, fix));
  }
  if (freeBytes !== undefined && freeBytes < SMALL_DISK_BYTES) {
    findings.push(
      fail(
        'log disk',
        `the disk of ${logfile} is full: supervisord cannot write its log`,
        `free space on the disk of ${dirname(logfile)}`,
      ),
    );
  }
  return findings.length > 0 ? findings : [ok('log', `${logfile}, level info`)];
}

const SMALL_DISK_BYTES = 1024 * 1024;

/** supervisord's loggers.py. */
const LEVEL_NAMES: Readonly<Record<number, string>> = {
  3: 'blather',
  5: 'trace',
  10: 'debug',
  30: 'warn',
  40: 'error',
  50: 'critical',
};
