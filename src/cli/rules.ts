/** `supervisor-exporter rules`: the files for Prometheus, Alertmanager and Grafana, for one job. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describeSystemError, errorCode } from '../util/errno.ts';
import { OutputError } from '../util/errors.ts';
import type { RulesRequest } from './flags.ts';
import { DURATION_UNITS, parseDuration } from './values.ts';

/** As JSON. */
declare const BUILD_RULES: string | undefined;

/** Names and contents. */
export type RuleFiles = Readonly<Record<string, string>>;

/** The files of prometheus-rules/ and grafana/; `npm run build` inserts them. */
const SHIPPED_FILES: RuleFiles = typeof BUILD_RULES === 'string' ? JSON.parse(BUILD_RULES) : {};

/** Writes the files and returns what to print. Throws OutputError. */
export function writeRuleFiles(request: RulesRequest, shipped = SHIPPED_FILES): string {
  const files = Object.entries(adaptFiles(shipped, request)).map(
    ([name, text]) => [join(request.output, name), text] as const,
  );
  try {
    const changed = files.find(([path, text]) => (readPresent(path) ?? text) !== text);
    if (changed !== undefined) {
      throw new OutputError(
        `${resolve(changed[0])} exists and differs, so nothing was written: move it, or choose another folder with --output=DIR`,
      );
    }
    mkdirSync(request.output, { recursive: true });
    for (const [path, text] of files) writeFileSync(path, text);
  } catch (error) {
    if (error instanceof OutputError) throw error;
    throw new OutputError(`${request.output}: ${describeSystemError(error)}`, error);
  }
  const label =
    request.job === SHIPPED_JOB
      ? ''
      : `An exporter that pushes alerts needs --alertmanager.label=job=${request.job}\n`;
  return `${files.map(([path]) => path).join('\n')}\n${label}`;
}

/** undefined if there is no such file. */
function readPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

const SHIPPED_JOB = 'supervisor';

/**
 * The files with the values of the request. In the YAML files these are the selector `job="supervisor"`,
 * the line `job_name: supervisor`, the intervals of that job and of rule groups, and the annotations
 * `runbook_url`, which end in the fragment of the alert, and `page_url`; in the dashboard the job and
 * the address of the runbook.
 */
export function adaptFiles(files: RuleFiles, request: RulesRequest): RuleFiles {
  return Object.fromEntries(
    Object.entries(files).map(([name, text]) => [name, adaptFile(name, text, request)]),
  );
}

function adaptFile(name: string, text: string, request: RulesRequest): string {
  const { job, scrapeIntervalMs, runbookUrl, pageUrlTemplate } = request;
  let adapted = text
    .replaceAll(`job="${SHIPPED_JOB}"`, `job="${job}"`)
    // In JSON.
    .replaceAll(`job=\\"${SHIPPED_JOB}\\"`, `job=\\"${job}\\"`)
    .replaceAll(/(\bjob (?:is not called )?)`supervisor`/g, (_, before) => `${before}\`${job}\``)
    .replaceAll(/^( *- job_name: )supervisor$/gm, (_, key) => key + quoteJob(job));
  if (name.endsWith('.json') && runbookUrl !== undefined) {
    return adapted.replaceAll(/"https:[^"]*\/RUNBOOK\.md"/g, () => JSON.stringify(runbookUrl));
  }
  if (!name.endsWith('.yml')) return adapted;
  if (/^scrape_configs:/m.test(text)) return adaptIntervals(adapted, scrapeIntervalMs);
  // A rule that is evaluated more often than the job is scraped finds nothing new.
  adapted = adapted.replaceAll(/^( +interval: )(\S+)$/gm, (_, key, interval) => {
    return key + formatDuration(Math.max(parseDuration(interval), scrapeIntervalMs));
  });
  if (runbookUrl !== undefined) {
    adapted = adapted.replaceAll(
      /^( +runbook_url: ).*?(#[\w-]+)"?$/gm,
      (_, key, fragment) => `${key}${JSON.stringify(runbookUrl + fragment)}`,
    );
  }
  return pageUrlTemplate === undefined ? adapted : addPageUrl(adapted, pageUrlTemplate);
}

/** Quoted, since `1` and `true` are not strings in YAML. */
function quoteJob(job: string): string {
  return job === SHIPPED_JOB ? job : JSON.stringify(job);
}

/** Replaces the intervals of the job, which are in the lines after its name, and not the global ones. */
function adaptIntervals(text: string, scrapeIntervalMs: number): string {
  const timeoutMs = Math.min(scrapeIntervalMs, LONGEST_SCRAPE_TIMEOUT_MS);
  return text.replace(/^ +- job_name: .*\n(?: +[a-z_]+: .*\n)*/m, (job) =>
    job
      .replace(/^( +scrape_interval: ).*$/m, `$1${formatDuration(scrapeIntervalMs)}`)
      .replace(/^( +scrape_timeout: ).*$/m, `$1${formatDuration(timeoutMs)}`),
  );
}

/** Prometheus' own default. */
const LONGEST_SCRAPE_TIMEOUT_MS = 10_000;

/** After each runbook_url, except in an alert on absent targets, which has no instance. */
function addPageUrl(text: string, template: string): string {
  const rules = text.split(/^(?= +- alert: )/m);
  return rules
    .map((rule) => {
      const others = rule.replaceAll(/^ +page_url: .*\n/gm, '');
      if (/\babsent\(/.test(rule)) return others;
      return others.replaceAll(
        /^( +)runbook_url: .*\n/gm,
        (line, indent) => `${line}${indent}page_url: ${JSON.stringify(template)}\n`,
      );
    })
    .join('');
}

/** With the largest unit that gives a whole number. */
function formatDuration(ms: number): string {
  const whole = Math.round(ms);
  const unit =
    (['h', 'm', 's'] as const).find((name) => whole % DURATION_UNITS[name] === 0) ?? 'ms';
  return `${whole / DURATION_UNITS[unit]}${unit}`;
}
