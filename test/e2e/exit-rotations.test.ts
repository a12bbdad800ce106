import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually, timed } from '../support/deadline.ts';
import {
  assertLogWarning,
  assertSeenEarly,
  type Disturbance,
  EIGHT,
  INFO,
  type Killed,
  killTogether,
  reasonOf,
  untilRunning,
} from '../support/killing.ts';
import { needsRoot } from '../support/not-run.ts';
import { play, type Supervisord } from '../support/supervisord.ts';

const rotations = suite("exits across rotations of supervisord's log");

const CODED = ['coded-0', 'coded-1'];

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
  deletion: async (_, log) => rmSync(log, { force: true }),
};

for (const [title, rotate] of Object.entries(ROTATIONS)) {
  rotations(
    `the first exit after a rotation is seen early and with its reason: ${title}`,
    timed(120_000, () =>
      play({ conf: 'killed', files: INFO }, async (supervisord) => {
        await untilRunning(supervisord, [...EIGHT, ...CODED]);
        const kills: Killed[] = [];
        for (const names of [EIGHT.slice(0, 1), CODED.slice(0, 1), CODED, EIGHT]) {
          await rotate(supervisord, join(supervisord.dir, 'supervisord.log'));
          kills.push(await killTogether(supervisord, names));
        }
        assertSeenEarly(kills);
        await assertLogWarning(supervisord, undefined);
      }),
    ),
  );
}

rotations(
  'the first exit after a truncation has its reason although it is read together with that',
  timed(120_000, () =>
    play({ conf: 'killed', files: INFO }, async (supervisord) => {
      await untilRunning(supervisord, [...EIGHT, ...CODED]);
      const log = join(supervisord.dir, 'supervisord.log');
      const { pid } = await supervisord.call<{ pid: number }>(
        'supervisor.getProcessInfo',
        'exporter',
      );
      const disturbance: Disturbance = {
        before: () => {
          process.kill(pid, 'SIGSTOP');
          copyFileSync(log, `${log}.copy`);
          truncateSync(log);
        },
        after: async () => {
          await eventually(5_000, () => assert.match(readFileSync(log, 'utf8'), 'exited: '), 1);
          process.kill(pid, 'SIGCONT');
        },
      };
      let known = 0;
      for (let truncation = 0; truncation < 9; truncation++) {
        const name = EIGHT[truncation % 3] ?? '';
        await killTogether(supervisord, [name], 'never-false', disturbance);
        if (reasonOf(await supervisord.metrics(), name).signal === 9) known += 1;
      }
      // On a busy machine supervisord's poll may end before the exporter asks.
      assert.ok(known >= 5, `${known} of 9`);
    }),
  ),
);

/** Of [supervisord]: a log that is rotated every few exits. */
function rotatedLog(maxBytes: number, backups: number): Readonly<Record<string, string>> {
  return {
    'log.conf': `[supervisord]\nloglevel=info\nlogfile_maxbytes=${maxBytes}\nlogfile_backups=${backups}\n`,
  };
}

for (const backups of [0, 3]) {
  rotations(
    `exits across supervisord's own rotations are seen early: ${backups} backups`,
    timed(120_000, () =>
      play({ conf: 'killed', files: rotatedLog(1_500, backups) }, async (supervisord) => {
        await untilRunning(supervisord, [...EIGHT, ...CODED]);
        const kills: Killed[] = [];
        for (let round = 0; round < 4; round++) {
          // Without backups, supervisord erases the line that fills its log as it is written.
          const knowledge = backups > 0 ? 'exact' : 'never-false';
          kills.push(await killTogether(supervisord, EIGHT, knowledge));
          kills.push(await killTogether(supervisord, CODED.slice(0, 1), knowledge));
        }
        assertSeenEarly(kills);
      }),
    ),
  );
}

const MAX_BYTES = 100_000;

rotations(
  'an exit is seen early, and has the code of XML-RPC, when supervisord erases its line',
  timed(120_000, () =>
    play({ conf: 'killed', files: rotatedLog(MAX_BYTES, 0) }, async (supervisord) => {
      await untilRunning(supervisord, CODED);
      const log = join(supervisord.dir, 'supervisord.log');
      const kills: Killed[] = [];
      for (let round = 0; round < 5; round++) {
        // supervisord opens its log for appending again, and the next line fills it.
        await supervisord.call('supervisor.clearLog');
        appendFileSync(log, `${'-'.repeat(MAX_BYTES - statSync(log).size - 2)}\n`);
        kills.push(await killTogether(supervisord, CODED.slice(0, 1), 'never-false'));
        assert.not.match(supervisord.log, /exited: coded-0/);
      }
      assertSeenEarly(kills);
      // On a busy machine supervisord may restart each of them before it is asked.
      assert.ok(
        kills.some(({ known }) => known > 0),
        'no exit status was ever known',
      );
    }),
  ),
);

rotations(
  'on a full disk exits are seen early, and the missing lines are reported once',
  timed(120_000, async () => {
    if (!needsRoot('exits on a full disk')) return;
    const files = {
      'log.conf': '[supervisord]\nloglevel=info\nlogfile=%(ENV_STORY_DIR)s/disk/supervisord.log\n',
    };
    const prepare = (dir: string) => {
      mkdirSync(join(dir, 'disk'));
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'none', join(dir, 'disk')]);
    };
    await play({ conf: 'killed', files, prepare }, async (supervisord) => {
      const disk = join(supervisord.dir, 'disk');
      try {
        await untilRunning(supervisord, [...EIGHT, ...CODED]);
        execFileSync('sh', ['-c', 'cat /dev/zero > "$0/filler" 2>/dev/null || true', disk]);
        const kills: Killed[] = [];
        for (let round = 0; round < 3; round++) {
          kills.push(await killTogether(supervisord, EIGHT, 'never-false'));
          kills.push(await killTogether(supervisord, CODED.slice(0, 1), 'never-false'));
        }
        assertSeenEarly(kills);
        await assertLogWarning(supervisord, /has no line of an exit/);
      } finally {
        // supervisord keeps the file open.
        execFileSync('umount', ['-l', disk]);
      }
    });
  }),
);

rotations.run();
