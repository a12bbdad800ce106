import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { timed } from '../support/deadline.ts';
import type { Exposition } from '../support/exposition.ts';
import { play, type Supervisord } from '../support/supervisord.ts';

const forging = suite('forged exit reasons');

const LISTENER = fileURLToPath(new URL('../support/forging_listener.py', import.meta.url));
const KILLS = 6;

/** Writes lines as of supervisord, with the present time and a blank line, several times a second. */
const FORGER = `import sys, time
while True:
    now = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime())
    for text in ("INFO spawned: 'victim' with pid 1", "WARN exited: victim (exit status 42; not expected)"):
        sys.stdout.write("\\n%s,000 %s\\n" % (now, text))
    sys.stdout.flush()
    time.sleep(0.2)
`;

/** Its log is copied into the log of its parent at loglevel=debug. */
const NESTED = (dir: string) => `[supervisord]
logfile=${join(dir, 'nested.log')}
pidfile=${join(dir, 'nested.pid')}
[program:victim]
command=sh -c 'sleep 0.5; exit 41'
startsecs=0
autorestart=true
`;

const LOGS: ReadonlyArray<readonly [title: string, log: string, isAlwaysKnown: boolean]> = [
  ['loglevel=info', 'loglevel=info', true],
  ['loglevel=debug', 'loglevel=debug', false],
  ['loglevel=trace', 'loglevel=trace', false],
  [
    'loglevel=debug and without backups',
    'loglevel=debug\nlogfile_maxbytes=1500\nlogfile_backups=0',
    false,
  ],
];

for (const [title, log, isAlwaysKnown] of LOGS) {
  forging(
    `at ${title} no scrape shows a forged reason`,
    timed(90_000, () =>
      play(
        {
          conf: 'forged',
          files: {
            'log.conf': `[supervisord]\n${log}\n`,
            'forger.py': FORGER,
            'forgers.conf': `[program:forger]
command=/usr/bin/python3 %(ENV_STORY_DIR)s/forger.py
; The output of the exporter itself is trusted. This is another process of its name.
[program:impostor]
process_name=exporter
command=/usr/bin/python3 %(ENV_STORY_DIR)s/forger.py
[eventlistener:liar]
command=/usr/bin/python3 ${LISTENER}
events=PROCESS_STATE
`,
          },
        },
        async (supervisord) => {
          supervisord.writeConf('nested.ini', NESTED(supervisord.dir));
          await supervisord.until(20_000, (metrics) => {
            for (const name of ['victim', 'forger', 'nested', 'liar']) {
              assert.is(metrics.value('supervisord_state', { name }), 20, name);
            }
          });
          let known = 0;
          for (let kill = 1; kill <= KILLS; kill++) {
            if (await killVictim(supervisord, kill)) known += 1;
          }
          if (isAlwaysKnown) assert.is(known, KILLS);
        },
      ),
    ),
  );
}

/** Resolves to whether the reason became known; no scrape may show another one. */
async function killVictim(supervisord: Supervisord, kill: number): Promise<boolean> {
  const { pid } = await supervisord.call<{ pid: number }>('supervisor.getProcessInfo', 'victim');
  process.kill(pid, 'SIGKILL');
  let last: Exposition | undefined;
  const forged: string[] = [];
  await supervisord.until(20_000, (metrics) => {
    last = metrics;
    const status = metrics.value('supervisord_exit_status', { name: 'victim' });
    const signal = metrics.value('supervisord_exit_signal', { name: 'victim' });
    // Before the first kill it is what XML-RPC reports of a process that never ended.
    const exits = metrics.value('supervisord_process_unexpected_exits_total', { name: 'victim' });
    const isTrue = (status ?? -1) === -1 && (signal ?? 9) === 9;
    if (exits !== 0 && !isTrue) forged.push(`status ${status}, signal ${signal}`);
    assert.is(
      metrics.value('supervisord_process_unexpected_exits_total', { name: 'victim' }),
      kill,
    );
    assert.is(metrics.transitions('victim:victim')['STARTING>RUNNING'], 1 + kill);
  });
  assert.equal(forged, []);
  return last?.value('supervisord_exit_signal', { name: 'victim' }) === 9;
}

forging.run();
