/** Kills processes of a real supervisord, and checks how scrapes show their exits. */

import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { eventually } from './deadline.ts';
import type { Exposition } from './exposition.ts';
import type { Supervisord } from './supervisord.ts';

export const EIGHT = Array.from({ length: 8 }, (_, number) => `eight-${number}`);

/** At this level supervisord writes a line of each exit and start, and no output of processes. */
export const INFO = { 'log.conf': '[supervisord]\nloglevel=info\n' };

/** supervisord's poll lasts this long after an exit, unless something wakes it. */
const POLL_MS = 1_000;
const DEADLINE_MS = 60_000;
/** After the exporter has woken supervisord, further wakes follow within a shorter time than this. */
const QUIET_MS = 300;

/**
 * `exact`: every scrape that shows the exit shows its true reason. `never-false`: a scrape may
 * show no reason, or only that it was a signal.
 */
export type Knowledge = 'exact' | 'never-false';

export interface Killed {
  /**
   * From the kill until each process has run again. supervisord sends the event of an exit right
   * before it starts the process, so that this is when the exporter has it, however slow scrapes are.
   */
  readonly restartedMs: number;
  /** How many exit statuses are known in the end. */
  readonly known: number;
}

interface Reason {
  readonly status: number | undefined;
  readonly signal: number | undefined;
}

/** `coded-N` exit with 7 at SIGTERM. The others are killed. */
function reasonFor(name: string): Reason {
  return name.startsWith('coded') ? { status: 7, signal: 0 } : { status: -1, signal: 9 };
}

export function exitsOf(metrics: Exposition, name: string): number | undefined {
  return metrics.value('supervisord_process_unexpected_exits_total', { name });
}

export function reasonOf(metrics: Exposition, name: string): Reason {
  return {
    status: metrics.value('supervisord_exit_status', { name }),
    signal: metrics.value('supervisord_exit_signal', { name }),
  };
}

export async function untilRunning(
  supervisord: Supervisord,
  names: readonly string[],
  starts = 1,
): Promise<void> {
  await supervisord.until(DEADLINE_MS, (metrics) => {
    for (const name of names) {
      const labels = { name, from: 'STARTING', to: 'RUNNING' };
      const count = metrics.value('supervisord_process_transitions_total', labels);
      assert.ok((count ?? 0) >= starts, `${name}: ${count}`);
      assert.is(metrics.value('supervisord_state', { name }), 20, name);
    }
  });
}

function pidFileOf({ dir }: Supervisord, name: string): string {
  return join(dir, `${name}.pid`);
}

/**
 * The pid that the process has written, once that process runs: no XML-RPC call, which would wake
 * supervisord, and no line of its log, which may not be readable.
 */
export function pidOf(supervisord: Supervisord, name: string): Promise<number> {
  return eventually(DEADLINE_MS, () => {
    const pid = Number(readFileSync(pidFileOf(supervisord, name), 'utf8'));
    assert.ok(pid > 0, name);
    process.kill(pid, 0);
    return pid;
  });
}

/** Until nothing wakes supervisord any more: the next exit is then the only reason to wake it. */
async function untilQuiet(supervisord: Supervisord): Promise<void> {
  await eventually(DEADLINE_MS, async () => {
    const before = await nudgesOf(supervisord);
    await sleep(QUIET_MS);
    assert.is(await nudgesOf(supervisord), before);
  });
}

async function nudgesOf(supervisord: Supervisord): Promise<number | undefined> {
  return (await supervisord.metrics()).value('supervisord_exporter_nudges_total');
}

/** When the process has written its pid, in epoch milliseconds, once it is another one than `before`. */
function restartOf(supervisord: Supervisord, name: string, before: number): Promise<number> {
  return eventually(DEADLINE_MS, async () => {
    assert.is.not(await pidOf(supervisord, name), before);
    return statSync(pidFileOf(supervisord, name)).mtimeMs;
  });
}

/** What happens right before and right after the kills. */
export interface Disturbance {
  readonly before: () => void;
  readonly after: () => Promise<void>;
}

/** Kills the processes together, and scrapes until each has run again. */
export async function killTogether(
  supervisord: Supervisord,
  names: readonly string[],
  knowledge: Knowledge = 'exact',
  disturbance?: Disturbance,
): Promise<Killed> {
  const pids = await Promise.all(names.map((name) => pidOf(supervisord, name)));
  await untilQuiet(supervisord);
  const before = await supervisord.metrics();
  const hasExited = (metrics: Exposition, name: string) =>
    exitsOf(metrics, name) === (exitsOf(before, name) ?? 0) + 1;
  const wrong: string[] = [];
  let known = 0;
  disturbance?.before();
  const killedAt = Date.now();
  for (const [index, pid] of pids.entries()) {
    process.kill(pid, names[index]?.startsWith('coded') ? 'SIGTERM' : 'SIGKILL');
  }
  await disturbance?.after();
  await supervisord.until(DEADLINE_MS, (metrics) => {
    const exited = names.filter((name) => hasExited(metrics, name));
    for (const name of exited) {
      const { status, signal } = reasonOf(metrics, name);
      if (!isTrue({ status, signal }, name, knowledge)) wrong.push(`${name}: ${status}, ${signal}`);
    }
    assert.equal(exited, names);
    for (const name of names) assert.is(metrics.value('supervisord_state', { name }), 20, name);
    known = names.filter((name) => reasonOf(metrics, name).status !== undefined).length;
  });
  assert.equal(wrong, []);
  const restarts = await Promise.all(
    names.map((name, index) => restartOf(supervisord, name, pids[index] ?? 0)),
  );
  return { restartedMs: Math.max(...restarts) - killedAt, known };
}

function isTrue({ status, signal }: Reason, name: string, knowledge: Knowledge): boolean {
  const truth = reasonFor(name);
  if (knowledge === 'exact') return status === truth.status && signal === truth.signal;
  return (
    (status === undefined || status === truth.status) &&
    (signal === undefined || signal === truth.signal)
  );
}

/**
 * Asserts that supervisord was woken for most of them, or for so many: by itself it sends no event
 * before its poll ends.
 */
export function assertSeenEarly(kills: readonly Killed[], atLeast = kills.length / 2): void {
  const early = kills.filter(({ restartedMs }) => restartedMs < POLL_MS);
  assert.ok(early.length >= atLeast, describe(kills));
}

/** Asserts that nothing has woken supervisord. */
export function assertSeenLate(kills: readonly Killed[]): void {
  const late = kills.filter(({ restartedMs }) => restartedMs >= POLL_MS);
  assert.ok(late.length > kills.length / 2, describe(kills));
}

function describe(kills: readonly Killed[]): string {
  return `restarted after ${kills.map(({ restartedMs }) => Math.round(restartedMs)).join(', ')} ms`;
}

/**
 * Asserts that the last warning of the exporter about the log is as expected, or that there is
 * none. On a busy machine another file may have been considered before.
 */
export async function assertLogWarning(
  supervisord: Supervisord,
  expected: RegExp | undefined,
): Promise<void> {
  await eventually(10_000, () => {
    const warnings = supervisord.exporterLog.match(/level=WARN msg="supervisord's log .*/g) ?? [];
    if (expected === undefined) assert.equal(warnings, []);
    else assert.match(warnings.at(-1) ?? '', expected);
  });
}
