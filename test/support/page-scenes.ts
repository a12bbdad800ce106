/** Data of the page for many processes, with some in every kind of trouble. */

import type { ProcessState } from '../../src/supervisor/states.ts';
import type { Detail } from '../../src/web/page/detail.ts';
import {
  encodeTimeline,
  enterState,
  startTimeline,
  type Timeline,
} from '../../src/web/page/timeline.ts';
import type { Row, Transition, View } from '../../src/web/page/view.ts';
import { CONTEXT, row, transition, view } from './page.ts';

export const LONG_NAME = `${'very-long-program-name-'.repeat(9).slice(0, 196)}-007`;
export const LONG_ERROR = `can't find command '/srv/applications/${'deeply/nested/folder/'.repeat(23)}run'`;

/** `count` processes as of now: programs, groups of several sizes, and trouble. */
export function sceneOf(count: number, now = Date.now() / 1000): View {
  const special: Row[] = [
    fatal('missing', LONG_ERROR, now),
    row(`workers:${LONG_NAME}`, {
      state: 'BACKOFF',
      trouble: 'backoff',
      tries: 2,
      since: now - 4,
      exitedAt: now - 4,
      reason: 'exit status 7',
      timeline: backoff(now),
    }),
    running('celery-default:celery-default-0', now, {
      exits: 240,
      unexpected: 240,
      lastUnexpectedExit: now - 12,
      exitedAt: now - 12,
      reason: 'SIGSEGV, core dumped',
      since: now - 11,
      timeline: flapping(now),
    }),
    running('gone', now, { trouble: 'unreported exit', pid: undefined }),
    row('batch', {
      state: 'EXITED',
      since: now - 4000,
      exits: 3,
      exitedAt: now - 4000,
      reason: 'exit status 0',
      timeline: steady('EXITED', now - 4000),
    }),
  ];
  const rows = special.slice(0, count);
  const groups: readonly (readonly [string, number])[] = [
    ['web', 4],
    ['celery', 16],
    ['queue', 480],
  ];
  for (const [group, size] of groups) {
    for (let index = 0; index < size && rows.length < count; index++) {
      const isDown = group === 'web' && index === 2;
      rows.push(
        isDown
          ? fatal(
              `${group}:${group}-${index}`,
              'Exited too quickly (process log may have details)',
              now,
            )
          : running(`${group}:${group}-${index}`, now, {}),
      );
    }
  }
  for (let index = 0; rows.length < count; index++) rows.push(running(`program-${index}`, now, {}));
  return view(rows, {
    now,
    context: { ...CONTEXT, host: 'app-3.example.net' },
    transitions: transitionsOf(rows, now),
  });
}

function transitionsOf(rows: readonly Row[], now: number): Transition[] {
  return Array.from({ length: 60 }, (_, index) => {
    const { group, name } = rows[index % Math.min(rows.length, 5)] ?? row('none');
    return transition(60 - index, `${group}:${name}`, {
      at: now - index * 7,
      expected: false,
      reason: index % 2 === 0 ? 'SIGKILL' : 'exit status 3',
    });
  });
}

export function detailOfScene(now = Date.now() / 1000): Detail {
  return {
    group: 'celery-default',
    name: 'celery-default-0',
    settings: { autostart: true, startRetries: 3, stopWaitSeconds: 10, exitCodes: [0] },
    cpuSeconds: 4711,
    logTail: {
      at: now - 15,
      stream: 'stderr',
      text: `Traceback (most recent call last):\n${'x'.repeat(500)}\n`,
    },
    terminations: Array.from({ length: 10 }, (_, index) => ({
      at: now - index * 15,
      duration: index === 9 ? undefined : 12.5,
      pid: 4000 + index,
      expected: index === 3,
      reason: index === 0 ? 'reason not known yet' : 'SIGSEGV, core dumped',
      oomKilled: index === 4 ? true : index === 0 ? undefined : false,
    })),
    transitions: Array.from({ length: 20 }, (_, index) => ({
      at: now - index * 5,
      from: 'RUNNING' as const,
      to: 'EXITED' as const,
      expected: false,
      tries: undefined,
    })),
  };
}

function running(process: string, now: number, more: Partial<Row>): Row {
  return row(process, {
    state: 'RUNNING',
    since: now - 86_400 * 3,
    start: now - 86_400 * 3 - 1,
    pid: 123_456,
    cpu: 0.012,
    memory: 123_456_789,
    timeline: steady('RUNNING', now - 86_400),
    ...more,
  });
}

function fatal(process: string, spawnError: string, now: number): Row {
  const timeline = startTimeline('STOPPED', now - 3600);
  enterState(timeline, 'STARTING', now - 1800);
  enterState(timeline, 'BACKOFF', now - 1799);
  enterState(timeline, 'FATAL', now - 1700);
  return row(process, {
    state: 'FATAL',
    trouble: 'fatal',
    since: now - 1700,
    exitedAt: now - 1700,
    reason: 'exit status 78',
    spawnError,
    tries: 4,
    timeline: encodeTimeline(timeline),
  });
}

function steady(state: ProcessState, since: number): string {
  return encodeTimeline(startTimeline(state, since));
}

function backoff(now: number): string {
  const timeline = startTimeline('RUNNING', now - 3600);
  for (let at = now - 1500; at < now; at += 40) {
    enterState(timeline, 'STARTING', at);
    enterState(timeline, 'BACKOFF', at + 2);
  }
  return encodeTimeline(timeline);
}

function flapping(now: number): string {
  const timeline: Timeline = startTimeline('RUNNING', now - 3600);
  for (let at = now - 1200; at < now; at += 25) {
    enterState(timeline, 'UNEXPECTED', at);
    enterState(timeline, 'STARTING', at + 0.1);
    enterState(timeline, 'RUNNING', at + 1.2);
  }
  return encodeTimeline(timeline);
}
