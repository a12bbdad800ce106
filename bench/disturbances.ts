/** `npm run bench disturbances`: whether counts stay exact while the exporter, supervisord or the machine is disturbed. */

import { execFileSync, spawn } from 'node:child_process';
import { openSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readAccount, readDiscarded } from '../test/support/account.ts';
import { makeCertificate } from '../test/support/certificates.ts';
import { eventually, within } from '../test/support/deadline.ts';
import { Exposition } from '../test/support/exposition.ts';
import { play, type Story, type Supervisord } from '../test/support/supervisord.ts';
import { atEnd, cleaningUp, temporaryFolder } from './clean-up.ts';
import { readOptions } from './options.ts';
import { progress } from './progress.ts';
import { formatMarkdown, type Goal, reportGoals } from './report.ts';
import { copyOfExporter, killWithChildren } from './supervisord.ts';

interface Disturbance {
  readonly title: string;
  readonly story?: Partial<Story>;
  /** The command of the exporter, from the one that starts it without the disturbance. */
  readonly command?: (command: string) => string;
  readonly isSecure?: boolean;
  /** Whether the exporter is restarted, so that its log is compared and not its counters. */
  readonly restarts?: boolean;
  /** Disturbs the storm; resolves to how often. */
  readonly disturb: (supervisord: Supervisord) => Promise<number>;
}

interface Outcome {
  readonly times: number;
  readonly events: number;
  /** Transitions of supervisord's log that were not counted, or were counted twice. */
  readonly wrong: number;
  readonly discarded: number;
  readonly lost: number;
}

/** Logs are compared as a whole at the end, so that none may rotate. */
const NO_ROTATION = { stderr_logfile_maxbytes: '0' };

const FAKETIME = '/usr/$LIB/faketime/libfaketime.so.1';
const FULL_PIPE_BYTES = 1 << 20;
/** Between two disturbances of a long storm. */
const SECONDS_BETWEEN = 30;

const options = readOptions({
  /** Of each storm. */
  seconds: 15,
  /**
   * Each program sleeps for this many seconds longer than a tenth. Without that supervisord starts
   * and stops programs faster than it sends events, and discards events in a storm of minutes.
   */
  sleep: 0,
  /** For which supervisord is stopped. */
  stopped: 180,
  /** Number of the first disturbance to run, and of the last. */
  from: 1,
  to: 99,
});

/** Each disturbance starts a supervisord, and waits until its last event. */
const MINUTES = 20 + options.seconds / 4 + options.stopped / 60;
/** Killed when the bench ends early. */
let running: Supervisord | undefined;

const dir = temporaryFolder();
const program = copyOfExporter(dir);
const clock = join(dir, 'clock');
const web = join(dir, 'web.yml');

const DISTURBANCES: readonly Disturbance[] = [
  {
    title: 'a second process keeps a core busy',
    disturb: async () => {
      const busy = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
      atEnd(() => busy.kill('SIGKILL'));
      await pause(options.seconds);
      busy.kill('SIGKILL');
      return 1;
    },
  },
  {
    title: 'the exporter is killed by SIGKILL',
    restarts: true,
    disturb: (supervisord) =>
      repeat(timesOf(5), async () => {
        const { pid, spawned } = await exporterOf(supervisord);
        process.kill(pid, 'SIGKILL');
        await eventually(20_000, async () => {
          if ((await exporterOf(supervisord)).spawned === spawned) throw new Error('not restarted');
        });
      }),
  },
  {
    title: 'the exporter is frozen for 3 s',
    disturb: (supervisord) =>
      repeat(timesOf(4), async () => {
        const { pid } = await exporterOf(supervisord);
        process.kill(pid, 'SIGSTOP');
        await sleep(3_000);
        process.kill(pid, 'SIGCONT');
      }),
  },
  {
    title:
      'the exporter may have 26 descriptors, two more than it uses, and 40 clients stay connected',
    command: (command) => `sh -c 'ulimit -n 26; exec ${command}'`,
    disturb: async ({ port }) => {
      const clients: Socket[] = [];
      for (let client = 0; client < 40; client++) {
        clients.push(connect(port, '127.0.0.1').on('error', () => {}));
      }
      await pause(options.seconds);
      for (const client of clients) client.destroy();
      return 1;
    },
  },
  {
    title: 'the pipe of its stderr is full',
    story: { flags: ['--log.level=debug'] },
    command: (command) => `sh -c 'exec ${command} 2>${join(dir, 'full')}'`,
    disturb: async () => {
      await pause(options.seconds);
      return 1;
    },
  },
  {
    title: 'no space is left for its log (ENOSPC)',
    story: {
      flags: ['--log.level=debug'],
      section: { stderr_logfile: '/dev/full' },
    },
    disturb: async () => {
      await pause(options.seconds);
      return 1;
    },
  },
  {
    title: 'the clock is set by an hour, forward and back',
    story: {
      environment: {
        LD_PRELOAD: FAKETIME,
        FAKETIME_TIMESTAMP_FILE: clock,
        FAKETIME_NO_CACHE: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
      },
    },
    disturb: async () => {
      const offsets = ['+3600s', '+0s', '-3600s', '+0s'];
      const rounds = Math.ceil(timesOf(offsets.length) / offsets.length);
      const all = Array.from({ length: rounds }, () => offsets).flat();
      for (const offset of all) {
        await pause(options.seconds / (all.length + 1));
        writeFileSync(clock, `${offset}\n`);
      }
      await pause(options.seconds / (all.length + 1));
      return all.length;
    },
  },
  {
    title: 'the certificates are replaced while it is scraped by TLS',
    isSecure: true,
    disturb: async ({ port }) => {
      const end = performance.now() + options.seconds * 1_000;
      let times = 0;
      while (performance.now() < end) {
        makeCertificate(dir, 'server', { sans: 'DNS:localhost' });
        times += 1;
        await scrape(port, true);
      }
      return times;
    },
  },
  {
    title: `supervisord is stopped for ${options.stopped} s`,
    disturb: async (supervisord) => {
      process.kill(supervisord.pid, 'SIGSTOP');
      await pause(options.stopped);
      process.kill(supervisord.pid, 'SIGCONT');
      await pause(options.seconds);
      return 1;
    },
  },
];

await cleaningUp(MINUTES, async () => {
  writeFileSync(clock, '+0s\n');
  writeFileSync(web, 'tls_server_config: { cert_file: server.pem, key_file: server.key }\n');
  makeCertificate(dir, 'server', { sans: 'DNS:localhost' });
  execFileSync('mkfifo', [join(dir, 'full')]);
  // Read and written, so that neither side waits for the other to open it; filled, and never read.
  const full = openSync(join(dir, 'full'), 'r+');
  const filler = spawn('sh', ['-c', `exec head -c ${FULL_PIPE_BYTES} /dev/zero >&3`], {
    stdio: ['ignore', 'ignore', 'ignore', full],
  });
  atEnd(() => filler.kill('SIGKILL'));
  atEnd(() => {
    if (running === undefined) return;
    killWithChildren(running.pid);
    rmSync(running.dir, { recursive: true, force: true });
  });

  const rows = [['what was done', 'how often', 'events', 'lost', 'counted wrong']];
  const goals: Goal[] = [];
  for (const disturbance of DISTURBANCES.slice(options.from - 1, options.to)) {
    console.error(disturbance.title);
    const outcome = await run(disturbance).catch((error: unknown) => String(error).slice(0, 200));
    const row = rowOf(outcome);
    console.error(row.join('  '));
    rows.push([disturbance.title, ...row]);
    goals.push(goalOf(`counts of a storm while ${disturbance.title}`, outcome));
  }
  console.log(formatMarkdown(rows));
  reportGoals(goals);
});

function rowOf(outcome: Outcome | string): string[] {
  if (typeof outcome === 'string') return ['', '', '', `failed: ${outcome}`];
  const { times, events, wrong, lost, discarded } = outcome;
  const discards = discarded > 0 ? ` (supervisord discarded ${discarded})` : '';
  return [String(times), String(events), `${lost}${discards}`, String(wrong)];
}

function goalOf(what: string, outcome: Outcome | string): Goal {
  const goal = 'none lost, none counted wrong';
  if (typeof outcome === 'string') return { what, value: 'failed', goal, isReached: false };
  const lost = outcome.lost - outcome.discarded;
  return {
    what,
    value: `${outcome.events} events: ${lost} lost, ${outcome.wrong} counted wrong`,
    goal,
    isReached: lost === 0 && outcome.wrong === 0,
  };
}

/** Replaces settings of test/e2e/conf/storm.conf. */
function stormFiles(): Record<string, string> {
  const command = (status: number) =>
    `command=sh -c 'sleep ${options.sleep}.%(process_num)02d; exit ${status}'`;
  return {
    'log.conf': '[supervisord]\nloglevel=info\nlogfile_maxbytes=0\n',
    'sleep.conf': `[program:good]\n${command(0)}\n[program:bad]\n${command(3)}\n`,
  };
}

async function run(disturbance: Disturbance): Promise<Outcome> {
  const {
    story,
    command = (each: string) => each,
    isSecure = false,
    restarts = false,
  } = disturbance;
  const flags = [
    ...(story?.flags ?? []),
    ...(isSecure ? [`--web.config.file=${web}`] : []),
    ...(restarts ? ['--log.level=debug'] : []),
  ];
  const exporter = [
    process.execPath,
    program,
    '--web.listen-address=127.0.0.1:%(ENV_STORY_PORT)s',
    ...flags,
  ].join(' ');
  const section = { ...NO_ROTATION, ...story?.section, command: command(exporter) };
  let outcome: Outcome | undefined;
  const disturbed = play(
    { conf: 'storm', files: stormFiles(), ...story, section },
    async (supervisord) => {
      running = supervisord;
      const metrics = () => scrape(supervisord.port, isSecure);
      await eventually(40_000, async () => {
        if ((await metrics()).sum('supervisord_process_exits_total') < 24)
          throw new Error('no storm');
      });
      const times = await disturbance.disturb(supervisord);
      const shown = await calm(supervisord, metrics);
      const log = supervisord.log;
      outcome = {
        times,
        ...(restarts ? compareLog(supervisord) : compareCounters(shown, log)),
        discarded: readDiscarded(log),
      };
    },
  );
  await disturbed.finally(() => {
    running = undefined;
  });
  if (outcome === undefined) throw new Error('no outcome');
  return outcome;
}

async function pause(seconds: number): Promise<void> {
  const end = performance.now() + seconds * 1_000;
  for (let left = seconds; left > 0; left = (end - performance.now()) / 1_000) {
    progress(`${left.toFixed(0)} s left`);
    await sleep(Math.min(left, 5) * 1_000);
  }
}

function timesOf(least: number): number {
  return Math.max(least, Math.floor(options.seconds / SECONDS_BETWEEN));
}

async function repeat(times: number, action: () => Promise<void>): Promise<number> {
  for (let time = 0; time < times; time++) {
    await pause(options.seconds / times);
    await action();
  }
  return times;
}

interface Own {
  readonly pid: number;
  readonly spawned: number;
}

async function exporterOf(supervisord: Supervisord): Promise<Own> {
  const { pid } = await supervisord.call<{ pid: number }>('supervisor.getProcessInfo', 'exporter');
  return { pid, spawned: readAccount(supervisord.log).get('exporter')?.spawned ?? 0 };
}

function scrape(port: number, isSecure: boolean): Promise<Exposition> {
  if (!isSecure) {
    return fetch(`http://127.0.0.1:${port}/metrics`, { signal: AbortSignal.timeout(10_000) })
      .then((response) => response.text())
      .then((text) => new Exposition(text));
  }
  const answer = new Promise<string>((resolve, reject) => {
    const request = { host: '127.0.0.1', port, path: '/metrics', rejectUnauthorized: false };
    https
      .get({ ...request, agent: false }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => resolve(text)).on('error', reject);
      })
      .on('error', reject);
  });
  return within(10_000, 'a scrape', answer).then((text) => new Exposition(text));
}

/** Ends the crash loops and waits until the exporter has received everything. */
async function calm(
  supervisord: Supervisord,
  metrics: () => Promise<Exposition>,
): Promise<Exposition> {
  // supervisord cannot stop a process that is between two runs, and starts it again.
  await eventually(120_000, async () => {
    await supervisord.ctl('stop', 'good:*', 'bad:*');
    const all = await supervisord.call<Array<{ group: string; state: number }>>(
      'supervisor.getAllProcessInfo',
    );
    const isGoing = all.some(
      ({ group, state }) => (group === 'good' || group === 'bad') && state !== 0,
    );
    if (isGoing) throw new Error('not all have stopped');
  });
  let before = -1;
  return eventually(
    120_000,
    async () => {
      const shown = await metrics();
      const events = shown.sum('supervisord_exporter_events_total');
      const hasMore = events !== before;
      progress(`waiting for the last of ${events} events`);
      before = events;
      const up = shown.sum('supervisord_up', { group: 'good' });
      if (hasMore || up + shown.sum('supervisord_up', { group: 'bad' }) > 0) {
        throw new Error('events are still arriving');
      }
      return shown;
    },
    3_000,
  );
}

type Compared = Pick<Outcome, 'events' | 'wrong' | 'lost'>;

function compareCounters(shown: Exposition, log: string): Compared {
  let wrong = 0;
  for (const [name, { spawned, exited, unexpected }] of readAccount(log)) {
    if (!/^(?:good|bad)-/.test(name)) continue;
    const starts = shown.sum('supervisord_process_transitions_total', { name, to: 'STARTING' });
    wrong += Math.abs(starts - spawned);
    wrong += Math.abs((shown.value('supervisord_process_exits_total', { name }) ?? 0) - exited);
    wrong += Math.abs(
      (shown.value('supervisord_process_unexpected_exits_total', { name }) ?? 0) - unexpected,
    );
  }
  return {
    events: shown.sum('supervisord_exporter_events_total'),
    wrong,
    lost: shown.value('supervisord_exporter_events_lost_total') ?? 0,
  };
}

/** Over all starts of the exporter: the serials that it logged, each once, and the exits among them. */
function compareLog(supervisord: Supervisord): Compared {
  const events = new Map<number, { event: string; process: string }>();
  for (const [, serial, event = '', process = ''] of supervisord.exporterLog.matchAll(
    /msg=event serial=(\d+) event=(\S+)(?: process=(\S+))?/g,
  )) {
    events.set(Number(serial), { event, process });
  }
  const lost = Math.max(...events.keys()) + 1 - events.size;
  let wrong = 0;
  for (const [name, { exited }] of readAccount(supervisord.log)) {
    if (!/^(?:good|bad)-/.test(name)) continue;
    const received = [...events.values()].filter(
      ({ event, process }) => event === 'PROCESS_STATE_EXITED' && process.endsWith(`:${name}`),
    );
    wrong += Math.abs(received.length - exited);
  }
  return { events: events.size, wrong, lost };
}
