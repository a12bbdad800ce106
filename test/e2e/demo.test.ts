import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually, timed, timeoutSignal, within } from '../support/deadline.ts';
import { Exposition } from '../support/exposition.ts';
import { freePort } from '../support/ports.ts';

const demo = suite('demo');
const root = fileURLToPath(new URL('../..', import.meta.url));

demo(
  'npm start serves live metrics, and Ctrl-C ends all that it started',
  timed(90_000, async () => {
    const port = await freePort();
    const child = spawn(
      'npm',
      ['start', '--silent', '--', `--web.listen-address=127.0.0.1:${port}`],
      {
        cwd: root,
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    const exited = once(child, 'close');
    try {
      await eventually(
        30_000,
        async () => {
          const response = await fetch(`http://127.0.0.1:${port}/metrics`, {
            signal: timeoutSignal(5_000),
          });
          const metrics = new Exposition(await response.text());
          assert.is(metrics.value('supervisord_processes', { state: 'FATAL' }), 1);
          assert.ok(
            (metrics.value('supervisord_process_unexpected_exits_total', { name: 'crashing' }) ??
              0) > 0,
          );
        },
        200,
      );
      assert.match(output, `http://localhost:${port}/metrics`);
    } finally {
      // Ctrl-C in a terminal signals the whole foreground process group.
      process.kill(-(child.pid ?? 0), 'SIGINT');
      await within(20_000, 'end of npm start', exited).catch(() =>
        process.kill(-(child.pid ?? 0), 'SIGKILL'),
      );
    }
    const [, dir = ''] = /unix:\/\/(\S+)\/supervisor\.sock/.exec(output) ?? [];
    assert.is(existsSync(dir), false, 'its folder is removed');
    const pids = [
      ...output.matchAll(/spawned: '\S+' with pid (\d+)|supervisord started with pid (\d+)/g),
    ].map(([, program, supervisord]) => Number(program ?? supervisord));
    assert.ok(pids.length >= 7, output);
    assert.equal(pids.filter(isAlive), [], 'no process is left');
  }),
);

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

demo.run();
