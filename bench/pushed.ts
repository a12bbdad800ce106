/**
 * Pushed alerts, from the SIGKILL of a process to Alertmanager's webhook: one exit at a time, mass
 * exits, and exits right after a rotation of supervisord's log. Nothing else runs meanwhile.
 *
 * After three exits within two minutes the exporter pushes SupervisorManyExits instead of further
 * single alerts. Each three exits therefore have a supervisord and an exporter of their own.
 */

import { copyFileSync, renameSync, rmSync, truncateSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NotifiedAlert, Webhook } from '../test/support/alertmanager.ts';
import { eventually } from '../test/support/deadline.ts';
import { freePort } from '../test/support/ports.ts';
import { kill, temporaryFolder } from './clean-up.ts';
import { metricsReaderAt } from './scraper.ts';
import { between } from './statistics.ts';
import {
  allStarted,
  copyOfExporter,
  logFileIn,
  pidOf,
  type Supervisord,
  sleeperSections,
  startSupervisord,
} from './supervisord.ts';

/** supervisord's poll lasts a second: the pauses are spread over all of it. */
const SHORTEST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 1_500;
/** An alert that has not arrived by then is missing. */
const PATIENCE_MS = 5_000;
const PROCESSES = 10;
/** SupervisorManyExits names no more processes. */
const MAX_NAMED = 10;

export interface PushedOutcome {
  readonly title: string;
  /** Infinity for an alert that did not arrive. */
  readonly latenciesMs: readonly number[];
  /** How many of the notifications named the signal of each process. */
  readonly withReason: number;
}

/** What happens to one supervisord. */
interface Situation {
  readonly title: string;
  /** How many times processes are killed. */
  readonly trials: number;
  /** Processes killed together. */
  readonly kills: number;
  /** Alerts that follow, at most. */
  readonly alerts: number;
  /** The name of the last of them, where they may be fewer. */
  readonly last?: string;
  /** Called with the number of the trial, right before a kill. */
  readonly prepare?: (bed: Bed, trial: number) => void;
}

interface Bed {
  readonly webhook: Webhook;
  /** The external label of its alerts. */
  readonly path: string;
  readonly log: string;
  readonly supervisord: Supervisord;
  readonly pids: readonly number[];
}

interface Pushed {
  readonly latencyMs: number;
  readonly hasReason: boolean;
}

const SITUATIONS: readonly Situation[] = [
  { title: 'one at a time', trials: 3, kills: 1, alerts: 1 },
  // Single alerts of up to three exits that are known before the fourth, and SupervisorManyExits.
  { title: '8 at once', trials: 1, kills: 8, alerts: 4, last: 'SupervisorManyExits' },
  { title: 'right after a rotation', trials: 3, kills: 1, alerts: 1, prepare: rotate },
];

/** Resolves to so many alerts of each situation. */
export async function measurePushed(
  webhook: Webhook,
  alertmanager: string,
  alerts: number,
): Promise<readonly PushedOutcome[]> {
  const exporter = copyOfExporter(temporaryFolder());
  const outcomes: PushedOutcome[] = [];
  for (const situation of SITUATIONS) {
    const pushed: Pushed[] = [];
    while (pushed.length < alerts) {
      const path = `pushed-${outcomes.length}-${pushed.length}`;
      const bed = await prepareBed({ webhook, path, exporter, alertmanager });
      pushed.push(...(await measure(situation, bed)));
      bed.supervisord.stop();
      const last = pushed.at(-1)?.latencyMs;
      console.error(
        `pushed, ${situation.title}: ${Math.min(pushed.length, alerts)} of ${alerts}, last ${last} ms`,
      );
    }
    const measured = pushed.slice(0, alerts);
    outcomes.push({
      title: situation.title,
      latenciesMs: measured.map(({ latencyMs }) => latencyMs),
      withReason: measured.filter(({ hasReason }) => hasReason).length,
    });
  }
  return outcomes;
}

async function prepareBed({
  webhook,
  path,
  exporter,
  alertmanager,
}: Pick<Bed, 'webhook' | 'path'> & {
  readonly exporter: string;
  readonly alertmanager: string;
}): Promise<Bed> {
  const dir = temporaryFolder();
  const ports = { rpc: await freePort(), exporter: await freePort() };
  const supervisord = startSupervisord({
    dir,
    exporter,
    flags: [`--alertmanager.url=http://${alertmanager}`, `--alertmanager.label=path=${path}`],
    ports,
    processes: PROCESSES,
    sections: sleeperSections(PROCESSES, 1),
  });
  const metrics = metricsReaderAt(ports.exporter);
  await allStarted(supervisord, metrics, PROCESSES);
  metrics.close();
  const log = logFileIn(dir);
  const pids = Array.from({ length: PROCESSES }, (_, nth) => pidOf(`program-${nth}`, log));
  return { webhook, path, log, supervisord, pids };
}

/** Each process is killed at most once, so that its exit is an alert of its own. */
async function measure(
  { trials, kills, alerts, last, prepare }: Situation,
  bed: Bed,
): Promise<readonly Pushed[]> {
  const pushed: Pushed[] = [];
  for (let trial = 0; trial < trials; trial++) {
    await sleep(between(SHORTEST_PAUSE_MS, LONGEST_PAUSE_MS));
    prepare?.(bed, trial);
    const killedAt = Date.now();
    for (const pid of bed.pids.slice(trial * kills, (trial + 1) * kills)) kill(pid);
    const since = await receive(bed, trial * alerts, (all) => isAll(all, alerts, last));
    const received = since.slice(0, alerts);
    const expected = isAll(received, alerts, last) ? received.length : alerts;
    for (let nth = 0; nth < expected; nth++) {
      const alert = received[nth];
      pushed.push({
        latencyMs: (alert?.at ?? Number.POSITIVE_INFINITY) - killedAt,
        hasReason: alert !== undefined && namesSignals(alert),
      });
    }
  }
  return pushed;
}

/** Throws where supervisord has ended; an alert that does not arrive is a result. */
async function receive(
  { webhook, path, supervisord }: Bed,
  before: number,
  isComplete: (received: readonly NotifiedAlert[]) => boolean,
) {
  const received = () => webhook.notified({ path }).slice(before);
  const check = () => {
    if (!isComplete(received())) throw new Error('not all alerts have arrived');
  };
  await eventually(PATIENCE_MS, check).catch(() => {});
  const failure = supervisord.failure();
  if (failure !== undefined) throw new Error(failure);
  return received();
}

function isAll(
  received: readonly NotifiedAlert[],
  alerts: number,
  last: string | undefined,
): boolean {
  const hasLast = received.some(({ labels }) => labels['alertname'] === last);
  return received.length >= alerts || (last !== undefined && hasLast);
}

/** Whether the description names SIGKILL for each process that it names. */
function namesSignals({ annotations }: NotifiedAlert): boolean {
  const { description = '' } = annotations;
  const [, count = '1'] = /^(\d+) processes on /.exec(description) ?? [];
  const signals = description.match(/killed by SIGKILL/g) ?? [];
  return signals.length === Math.min(Number(count), MAX_NAMED);
}

/** The ways in turn: logrotate without and with copytruncate, and deletion. */
function rotate({ log, supervisord }: Bed, trial: number): void {
  switch (trial) {
    case 0:
      renameSync(log, `${log}.old`);
      kill(supervisord.pid, 'SIGUSR2');
      break;
    case 1:
      copyFileSync(log, `${log}.copy`);
      truncateSync(log);
      break;
    default:
      rmSync(log);
  }
}
