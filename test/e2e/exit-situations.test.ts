import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { timed } from '../support/deadline.ts';
import type { Exposition } from '../support/exposition.ts';
import { play, type Story, type Supervisord } from '../support/supervisord.ts';

const exits = suite('exits in every situation');

const EIGHT = Array.from({ length: 8 }, (_, number) => `eight-${number}`);
const INFO = { 'log.conf': '[supervisord]\nloglevel=info\n' };

/** By supervisord's log, so that no XML-RPC call wakes it. */
function pidOf(log: string, name: string): number {
  const pids = [...log.matchAll(/ spawned: '(\S+)' with pid (\d+)$/gm)];
  const [, , pid] = pids.findLast(([, each]) => each === name) ?? [];
  assert.ok(pid !== undefined, `${name} was never started`);
  return Number(pid);
}

/** How a scrape shows the exits of a process. */
interface Shown {
  readonly exits: number | undefined;
  readonly status: number | undefined;
  readonly signal: number | undefined;
}

function shownOf(metrics: Exposition, name: string): Shown {
  return {
    exits: metrics.value('supervisord_process_unexpected_exits_total', { name }),
    status: metrics.value('supervisord_exit_status', { name }),
    signal: metrics.value('supervisord_exit_signal', { name }),
  };
}

async function untilRunning(
  supervisord: Supervisord,
  names: readonly string[],
  starts = 1,
): Promise<void> {
  await supervisord.until(60_000, (metrics) => {
    for (const name of names) {
      const labels = { name, from: 'STARTING', to: 'RUNNING' };
      const count = metrics.value('supervisord_process_transitions_total', labels);
      assert.ok((count ?? 0) >= starts, `${name}: ${count}`);
      assert.is(metrics.value('supervisord_state', { name }), 20, name);
    }
  });
}

/**
 * Kills the processes together, and scrapes until each has run again. Every scrape that shows
 * the exit has to show its signal too, and none may show another one.
 */
async function killTogether(
  supervisord: Supervisord,
  names: readonly string[],
  log: () => string,
  isKnownAtOnce = true,
): Promise<void> {
  const before = await supervisord.metrics();
  const exitsBefore = new Map(names.map((name) => [name, shownOf(before, name).exits ?? 0]));
  const text = log();
  for (const name of names) process.kill(pidOf(text, name), 'SIGKILL');
  const wrong: string[] = [];
  await supervisord.until(60_000, (metrics) => {
    for (const name of names) {
      const { exits: count, status, signal } = shownOf(metrics, name);
      if (count === exitsBefore.get(name)) continue;
      const isKnown = status === -1 && signal === 9;
      const isOpen = status === undefined && signal === undefined;
      if (!isKnown && (isKnownAtOnce || !isOpen)) wrong.push(`${name}: ${status}, ${signal}`);
    }
    for (const name of names) {
      const { exits: count, signal } = shownOf(metrics, name);
      assert.is(count, (exitsBefore.get(name) ?? 0) + 1, name);
      assert.is(signal, 9, name);
      assert.is(metrics.value('supervisord_state', { name }), 20, name);
    }
  });
  assert.equal(wrong, []);
}

exits(
  'no scrape shows the signal of an earlier stop for a new exit',
  timed(120_000, () =>
    play({ conf: 'nudge', files: INFO }, async (supervisord) => {
      await untilRunning(supervisord, EIGHT);
      await supervisord.ctl('stop', 'eight:*');
      await supervisord.until(20_000, (metrics) => {
        for (const name of EIGHT) assert.is(shownOf(metrics, name).signal, 15);
      });
      await supervisord.ctl('start', 'eight:*');
      await untilRunning(supervisord, EIGHT, 2);
      await killTogether(supervisord, EIGHT, () => supervisord.log);
    }),
  ),
);

const SITUATIONS: ReadonlyArray<readonly [title: string, story: Story]> = [
  ['no HTTP server', { conf: 'nudge-no-http', files: INFO }],
  ['the exporter as another user', { conf: 'nudge', files: INFO, section: { user: 'nobody' } }],
  ['loglevel=debug', { conf: 'nudge' }],
];

for (const [title, story] of SITUATIONS) {
  exits(
    `the first scrape that shows an exit shows its reason: ${title}`,
    timed(120_000, () =>
      play(story, async (supervisord) => {
        execFileSync('chmod', ['755', supervisord.dir]);
        await untilRunning(supervisord, EIGHT);
        for (let round = 0; round < 3; round++) {
          await killTogether(supervisord, EIGHT.slice(0, 1 + 3 * round), () => supervisord.log);
        }
      }),
    ),
  );
}

exits(
  'an exit whose pipes a child keeps open is known',
  timed(60_000, () =>
    play({ conf: 'nudge', files: INFO }, async (supervisord) => {
      await untilRunning(supervisord, ['holder']);
      await killTogether(supervisord, ['holder'], () => supervisord.log);
    }),
  ),
);

/** What happens to the log between two exits. */
const ROTATIONS: Readonly<
  Record<string, (supervisord: Supervisord, log: string) => Promise<void>>
> = {
  'mv and SIGUSR2': async (supervisord, log) => {
    renameSync(log, `${log}.old`);
    process.kill(supervisord.pid, 'SIGUSR2');
    await supervisord.until(10_000, () => readFileSync(log));
  },
  copytruncate: async (_, log) => {
    copyFileSync(log, `${log}.copy`);
    truncateSync(log);
  },
  clearLog: async (supervisord) => {
    await supervisord.call('supervisor.clearLog');
  },
  deletion: async (_, log) => rmSync(log),
};

for (const [title, rotate] of Object.entries(ROTATIONS)) {
  exits(
    `the first exit after a rotation has its reason: ${title}`,
    timed(120_000, () =>
      play({ conf: 'nudge', files: INFO }, async (supervisord) => {
        await untilRunning(supervisord, EIGHT);
        const { log: before } = supervisord;
        await rotate(supervisord, join(supervisord.dir, 'supervisord.log'));
        await killTogether(supervisord, EIGHT, () => before);
      }),
    ),
  );
}

for (const backups of [0, 3]) {
  exits(
    `exits across supervisord's own rotations have their reasons: ${backups} backups`,
    timed(120_000, () =>
      play(
        {
          conf: 'nudge',
          files: {
            'log.conf': `[supervisord]\nloglevel=info\nlogfile_maxbytes=1500\nlogfile_backups=${backups}\n`,
          },
        },
        async (supervisord) => {
          await untilRunning(supervisord, EIGHT);
          for (let round = 0; round < 4; round++) {
            const infos = await Promise.all(
              EIGHT.map((name) =>
                supervisord.call<{ pid: number }>('supervisor.getProcessInfo', `eight:${name}`),
              ),
            );
            const log = infos.map(
              ({ pid }, index) => ` spawned: 'eight-${index}' with pid ${pid}\n`,
            );
            // Without backups, supervisord erases the line that fills its log as it is written.
            if (backups > 0) await killTogether(supervisord, EIGHT, () => log.join(''));
            else
              await killAll(
                supervisord,
                infos.map(({ pid }) => pid),
                round + 1,
              );
          }
        },
      ),
    ),
  );
}

/** Kills the processes; no scrape shows a false reason. */
async function killAll(
  supervisord: Supervisord,
  pids: readonly number[],
  round: number,
): Promise<void> {
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  const wrong: string[] = [];
  await supervisord.until(60_000, (metrics) => {
    for (const name of EIGHT) {
      const { exits: count, status, signal } = shownOf(metrics, name);
      if (count !== 0 && ((status ?? -1) !== -1 || (signal ?? 9) !== 9)) {
        wrong.push(`${name}: ${status}, ${signal}`);
      }
    }
    for (const name of EIGHT) {
      assert.is(shownOf(metrics, name).exits, round);
      assert.is(metrics.value('supervisord_state', { name }), 20, name);
    }
  });
  assert.equal(wrong, []);
}

exits(
  'a full disk leaves reasons unknown or true, and exits are counted',
  timed(120_000, async () => {
    if (process.getuid?.() !== 0) return;
    const story = {
      conf: 'nudge',
      files: {
        'log.conf':
          '[supervisord]\nloglevel=info\nlogfile=%(ENV_STORY_DIR)s/disk/supervisord.log\n',
      },
    };
    const prepare = (dir: string) => {
      mkdirSync(join(dir, 'disk'));
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'none', join(dir, 'disk')]);
    };
    await play({ ...story, prepare }, async (supervisord) => {
      // supervisord keeps the file open.
      const unmount = () => execFileSync('umount', ['-l', join(supervisord.dir, 'disk')]);
      try {
        await untilRunning(supervisord, EIGHT);
        execFileSync('sh', [
          '-c',
          'cat /dev/zero > "$0/filler" 2>/dev/null || true',
          join(supervisord.dir, 'disk'),
        ]);
        for (let round = 1; round <= 3; round++) {
          const infos = await Promise.all(
            EIGHT.map((name) =>
              supervisord.call<{ pid: number }>('supervisor.getProcessInfo', `eight:${name}`),
            ),
          );
          await killAll(
            supervisord,
            infos.map(({ pid }) => pid),
            round,
          );
        }
        const warnings = supervisord.exporterLog.match(/level=WARN .*/g) ?? [];
        assert.ok(warnings.length <= 1, warnings.join('\n'));
      } finally {
        unmount();
      }
    });
  }),
);

exits(
  'a stopped supervisord is shown as stalled, and its exits as unreported',
  timed(120_000, () =>
    play({ conf: 'nudge', files: INFO }, async (supervisord) => {
      await untilRunning(supervisord, EIGHT);
      await supervisord.until(20_000, (metrics) =>
        assert.is(metrics.value('supervisord_stalled'), 0),
      );
      const pid = pidOf(supervisord.log, 'eight-0');
      process.kill(supervisord.pid, 'SIGSTOP');
      try {
        process.kill(pid, 'SIGKILL');
        await supervisord.until(60_000, (metrics) =>
          assert.is(metrics.value('supervisord_process_unreported_exit', { name: 'eight-0' }), 1),
        );
        await supervisord.until(60_000, (metrics) =>
          assert.is(metrics.value('supervisord_stalled'), 1),
        );
      } finally {
        process.kill(supervisord.pid, 'SIGCONT');
      }
      await supervisord.until(60_000, (metrics) => {
        assert.is(metrics.value('supervisord_stalled'), 0);
        assert.is(metrics.value('supervisord_process_unreported_exit', { name: 'eight-0' }), 0);
        assert.is(
          metrics.value('supervisord_process_unexpected_exits_total', { name: 'eight-0' }),
          1,
        );
        assert.is(metrics.value('supervisord_exit_signal', { name: 'eight-0' }), 9);
      });
      await killTogether(supervisord, EIGHT, () => supervisord.log);
      const metrics = await supervisord.metrics();
      assert.is(
        metrics.value('supervisord_exporter_collector_success', { collector: 'exit_reason' }),
        1,
      );
    }),
  ),
);

exits.run();
