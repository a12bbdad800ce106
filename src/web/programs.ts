/**
 * `/-/programs`: whether the selected processes are in trouble, for container health checks,
 * load balancers and scripts. 200 where none is, else 503.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { LogTail } from '../processes/log-tail.ts';
import { lastEnd, type Process } from '../processes/process.ts';
import { ALL_PROCESSES, type Selection } from '../processes/selection.ts';
import type { ProcessTable } from '../processes/table.ts';
import {
  coreDumpedOf,
  mayHaveRun,
  oomKilledOf,
  type Termination,
} from '../processes/termination.ts';
import { type Trouble, troubleOf } from '../processes/trouble.ts';
import { displayName, type ProcessId } from '../supervisor/process-id.ts';
import { signalName } from '../supervisor/signals.ts';
import { type PausableWork, runInSlices } from '../util/time-slice.ts';
import { AnswerQueue } from './answer-queue.ts';
import { describeReason } from './exit-reason.ts';
import { sendCompressible, sendText } from './respond.ts';

export interface ProgramsOptions {
  readonly table: ProcessTable;
  /** From `--collector.process-include` and `--collector.process-exclude`; all processes by default. */
  readonly selection?: Selection;
  /** Why the process table is not complete; undefined while it is. */
  readonly whyNotSynced: () => string | undefined;
  /** Whether a process is gone although no event has reported it. */
  readonly isUnreported?: ((process: Readonly<Process>) => boolean) | undefined;
  /** The end of the log of the last unexpected exit or failed start, where it is kept and the client may see it. */
  readonly logTailOf?:
    | ((process: Readonly<Process>, request: IncomingMessage) => LogTail | undefined)
    | undefined;
}

/** One process in the JSON answer. Members whose value is unknown are omitted. */
type ProcessReport = ReturnType<typeof reportOf>;

interface Report {
  readonly status: 'ok' | 'trouble' | 'no match' | 'not synced';
  /** Why the status is not `ok`. */
  readonly reasons: readonly string[];
  readonly processes: readonly ProcessReport[];
}

/** The JSON form has the tail of every process. */
const MAX_TAILS_IN_TEXT = 10;

const PARAMETERS: readonly string[] = ['group', 'name', 'ignore', 'format'];

export type ProgramsAnswer = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

export function createProgramsAnswer(options: ProgramsOptions): ProgramsAnswer {
  const answers = new AnswerQueue();
  return (request, response) =>
    answers.run(request, response, () => sendReport(options, request, response));
}

async function sendReport(
  options: ProgramsOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [, query = ''] = (request.url ?? '').split('?', 2);
  const parameters = new URLSearchParams(query);
  const unknown = [...parameters.keys()].find((name) => !PARAMETERS.includes(name));
  if (unknown !== undefined) {
    const known = PARAMETERS.join(', ');
    const reason = `unknown parameter ${JSON.stringify(unknown)}; known parameters: ${known}\n`;
    return sendText(request, response, 400, reason);
  }
  const report = await runInSlices(reportOn(options, parameters, request));
  response.setHeader('Cache-Control', 'no-store');
  const status = report.status === 'ok' ? 200 : 503;
  if (wantsJson(request, parameters)) {
    const text = `${await runInSlices(toJson(report))}\n`;
    return sendCompressible(request, response, status, 'application/json', text);
  }
  sendText(request, response, status, toText(report));
}

function wantsJson({ headers }: IncomingMessage, parameters: URLSearchParams): boolean {
  const format = parameters.get('format');
  if (format !== null) return format === 'json';
  return /\bapplication\/json\b/i.test(headers.accept ?? '');
}

interface Selector {
  readonly what: 'group' | 'process';
  /** The name of a group, or `name` or `group:name` of a process. */
  readonly value: string;
}

/** What a query names. A request may hold a thousand names, so each process is looked up among them. */
class Selectors {
  readonly #groups: ReadonlyMap<string, Selector>;
  readonly #names: ReadonlyMap<string, Selector>;

  constructor(parameters: URLSearchParams) {
    this.#groups = byValue('group', parameters.getAll('group'));
    this.#names = byValue('process', parameters.getAll('name'));
  }

  values(): Selector[] {
    return [...this.#groups.values(), ...this.#names.values()];
  }

  matching(id: ProcessId): Selector[] {
    const found = [this.#groups.get(id.group), ...namesOf(id).map((name) => this.#names.get(name))];
    return found.filter((selector) => selector !== undefined);
  }
}

function byValue(what: Selector['what'], values: readonly string[]): Map<string, Selector> {
  return new Map(values.map((value) => [value, { what, value }]));
}

/** The names that a query may use for a process. */
function namesOf(id: ProcessId): readonly string[] {
  return [id.name, displayName(id)];
}

/** A query without groups and names asks for all processes. */
function* reportOn(
  { table, selection = ALL_PROCESSES, whyNotSynced, isUnreported, logTailOf }: ProgramsOptions,
  parameters: URLSearchParams,
  request: IncomingMessage,
): PausableWork<Report> {
  const reason = whyNotSynced();
  if (reason !== undefined) return { status: 'not synced', reasons: [reason], processes: [] };
  const selectors = new Selectors(parameters);
  const ignored = new Set(parameters.getAll('ignore'));
  const unmatched = new Set(selectors.values());
  const selectsAll = unmatched.size === 0;
  const excluded = new Set<Selector>();
  const processes: ProcessReport[] = [];
  for (const process of [...table.values()]) {
    yield;
    const { id } = process;
    const matching = selectors.matching(id);
    if (!selection.isSelected(id)) {
      for (const selector of matching) excluded.add(selector);
      continue;
    }
    for (const selector of matching) unmatched.delete(selector);
    if (!selectsAll && matching.length === 0) continue;
    if (namesOf(id).some((name) => ignored.has(name))) continue;
    const trouble = troubleOf(process, isUnreported?.(process) ?? false);
    processes.push(reportOf(process, trouble, logTailOf?.(process, request)));
  }
  if (unmatched.size > 0) {
    const reasons = [...unmatched].map((selector) => {
      const why = excluded.has(selector) ? 'the flags of the exporter exclude' : 'there is no';
      return `${why} ${selector.what} ${JSON.stringify(selector.value)}`;
    });
    return { status: 'no match', reasons, processes };
  }
  const reasons = processes.flatMap((process) => describeTrouble(process) ?? []);
  return { status: reasons.length === 0 ? 'ok' : 'trouble', reasons, processes };
}

/** Times are epoch seconds. */
function reportOf(
  process: Readonly<Process>,
  trouble: Trouble | undefined,
  logTail: LogTail | undefined,
) {
  const { id, state, lastTransitionTime, pid, exits, unexpectedExits, backoffTries } = process;
  const last = lastEnd(process);
  return {
    group: id.group,
    name: id.name,
    state,
    trouble,
    since: lastTransitionTime,
    pid,
    exits,
    unexpectedExits,
    backoffTries,
    spawnError: process.spawnError,
    lastTermination: last && terminationReport(last),
    logTail: logTail?.text,
    // When the run of the tail ended.
    logTailAt: logTail?.at,
  } as const;
}

function terminationReport({ finishedAt, pid, expected, reason }: Termination) {
  const signal = reason.kind === 'signalled' ? reason.signal : undefined;
  return {
    finishedAt,
    pid,
    expected,
    reason: describeReason(reason, signalName),
    exitCode: reason.kind === 'exited' ? reason.exitCode : undefined,
    signal: signal === undefined ? undefined : signalName(signal),
    coreDumped: coreDumpedOf(reason),
    oomKilled: oomKilledOf(reason),
  } as const;
}

/** One line on a process; undefined where it is not in trouble. */
function describeTrouble(process: ProcessReport): string | undefined {
  const { trouble, spawnError, backoffTries, lastTermination } = process;
  if (trouble === undefined) return undefined;
  const why = [spawnError, mayHaveRun(spawnError) ? lastTermination?.reason : undefined];
  const details = [
    trouble === 'unreported exit' ? 'gone, but supervisord has not reported the exit' : undefined,
    trouble === 'down' ? 'exited unexpectedly' : undefined,
    backoffTries > 0 ? `failed starts: ${backoffTries}` : undefined,
    ...(trouble === 'unreported exit' ? [] : why),
  ].filter((detail) => detail !== undefined);
  const more = details.length === 0 ? '' : `, ${details.join(', ')}`;
  return `${nameOf(process)} is ${process.state}${more}`;
}

/** As supervisorctl writes it. */
function nameOf({ group, name }: ProcessId): string {
  return group === name ? name : displayName({ group, name });
}

function toText({ status, reasons, processes }: Report): string {
  const count = `${processes.length} ${processes.length === 1 ? 'process' : 'processes'}`;
  const head = status === 'ok' ? `ok: ${count}, none in trouble` : status;
  const tails = processes
    .filter(({ trouble }) => trouble !== undefined)
    .slice(0, MAX_TAILS_IN_TEXT)
    .flatMap(({ logTail, logTailAt, ...id }) =>
      logTail === undefined
        ? []
        : ['', `end of the log of ${nameOf(id)}${timeOf(logTailAt)}:`, indent(logTail)],
    );
  return `${[head, ...reasons, ...tails].join('\n')}\n`;
}

/** The process may have run since. Empty where the time is beyond the range of Date. */
function timeOf(seconds = Number.NaN): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? '' : `, whose run ended at ${date.toISOString()}`;
}

function indent(text: string): string {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n');
}

/** Writes one process at a time. */
function* toJson({ status, reasons, processes }: Report): PausableWork<string> {
  const items: string[] = [];
  for (const process of processes) {
    items.push(JSON.stringify(process));
    yield;
  }
  return `{"status":${JSON.stringify(status)},"reasons":${JSON.stringify(reasons)},"processes":[${items.join(',')}]}`;
}
