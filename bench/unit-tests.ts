/** `npm run bench unit-tests`: how long the unit tests take. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync } from 'node:fs';
import { ROOT } from '../scripts/setup.ts';
import { atEnd, cleaningUp, temporaryFolder } from './clean-up.ts';
import { atMost, reportGoals } from './report.ts';
import { killWithChildren } from './supervisord.ts';

const GOAL_S = 20;

await cleaningUp(5, async () => {
  const folder = temporaryFolder();
  // Like /tmp: some tests run as nobody.
  chmodSync(folder, 0o1777);
  const began = performance.now();
  const tests = spawn(process.execPath, ['scripts/run.mjs', 'test', '--unit'], {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, TMPDIR: folder },
  });
  atEnd(() => {
    const isRunning = tests.exitCode === null && tests.signalCode === null;
    if (isRunning && tests.pid !== undefined) killWithChildren(tests.pid);
  });
  const [status] = await once(tests, 'close');
  const seconds = (performance.now() - began) / 1_000;
  if (status !== 0) throw new Error('unit tests fail');
  reportGoals([atMost('duration of the unit tests', seconds, GOAL_S, (s) => `${s.toFixed(1)} s`)]);
});
