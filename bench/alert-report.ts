/** What is told of how late alerts are. */

import { PATIENCE_MS, type PollingOutcome } from './polling.ts';
import { formatGoals, formatTable, type Goal } from './report.ts';
import { summarize } from './statistics.ts';

const PUSHED_MEDIAN_GOAL_MS = 60;
const BY_RULES_MAX_GOAL_MS = 2_500;

export interface AlertPath {
  /** Between scrapes, and between evaluations; undefined: it is pushed. */
  readonly seconds: number | undefined;
  /** Infinity: it has not come. */
  readonly latenciesMs: readonly number[];
}

export interface AlertOutcome {
  readonly trials: number;
  readonly prometheis: number;
  readonly paths: readonly AlertPath[];
  readonly polled: PollingOutcome;
}

export function reportAlerts({ trials, prometheis, paths, polled }: AlertOutcome): void {
  console.log(
    `From the SIGKILL of a program to Alertmanager's webhook, with group_wait: 0s; ${trials} deaths, ${prometheis} Prometheis of each kind.\n`,
  );
  const head = ['', 'alerts', 'median', 'worst'];
  const rows = paths.map((path) => rowOf(nameOf(path), path.latenciesMs));
  console.log(formatTable([head, ...rows, ...pollingRows(polled)]));
  console.log(
    `\nOf the ${polled.crashes} crashes that supervisord repaired, ${polled.seen} were in any scrape of the polling exporter.`,
  );
  console.log(`\n${formatGoals(paths.flatMap(goalsOf))}`);
}

function nameOf({ seconds }: AlertPath): string {
  if (seconds === undefined) return 'pushed';
  return `shipped rules, ${seconds} s scrape and evaluation`;
}

function pollingRows({ downMs, crashes, alerted }: PollingOutcome): string[][] {
  const never = `never within ${PATIENCE_MS / 1_000} s`;
  const told = alerted === 0 ? [never, never] : ['', ''];
  return [
    ['polling, 5 s, for 1 m: the program is restarted', `${alerted}/${crashes}`, ...told],
    rowOf('polling, 5 s, for 1 m: the program stays down', downMs),
  ];
}

function rowOf(name: string, latenciesMs: readonly number[]): string[] {
  const { median, max } = summarize(latenciesMs);
  const came = latenciesMs.filter(Number.isFinite).length;
  return [name, `${came}/${latenciesMs.length}`, formatMs(median), formatMs(max)];
}

function formatMs(ms: number): string {
  if (!Number.isFinite(ms)) return 'missing';
  return ms < 1_000 ? `${ms.toFixed(0)} ms` : `${(ms / 1_000).toFixed(2)} s`;
}

function goalsOf(path: AlertPath): Goal[] {
  const { median, max } = summarize(path.latenciesMs);
  switch (path.seconds) {
    case undefined:
      return [goal(`${nameOf(path)}: median`, median, PUSHED_MEDIAN_GOAL_MS)];
    case 1:
      return [goal(`${nameOf(path)}: worst`, max, BY_RULES_MAX_GOAL_MS)];
    default:
      return [];
  }
}

function goal(what: string, ms: number, mostMs: number): Goal {
  return {
    what,
    value: formatMs(ms),
    goal: `at most ${formatMs(mostMs)}`,
    isReached: ms <= mostMs,
  };
}
