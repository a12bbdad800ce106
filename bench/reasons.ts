/** `npm run bench reasons`: whether every stated reason of an exit is true, in several situations. */

import { chmodSync, copyFileSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { eventually } from '../test/support/deadline.ts';
import { random } from '../test/support/fuzz.ts';
import { play, type Supervisord } from '../test/support/supervisord.ts';
import { atEnd, cleaningUp, kill, temporaryFolder } from './clean-up.ts';
import { childrenOf } from './proc.ts';
import { progress } from './progress.ts';
import { type Judgement, type Scrape, scrapeOf, Truth } from './reasons-truth.ts';
import { formatTable, type Goal, reportGoals } from './report.ts';
import { copyOfExporter, killWithChildren } from './supervisord.ts';

interface Situation {
  readonly title: string;
  /** Lines of [supervisord]. */
  readonly log?: string;
  /** Whether programs print lines that look like supervisord's, which it copies into its log at this level. */
  readonly forges?: boolean;
  /** Of the story; undefined: quiet.conf. */
  readonly conf?: string;
  /** Of the exporter's section; undefined: the shipped ones. */
  readonly events?: string;
  /** Done again and again, besides what happens to the programs. */
  readonly disturb?: (run: Run) => Promise<void>;
}

interface Run {
  readonly supervisord: Supervisord;
  readonly pick: (below: number) => number;
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    only: { type: 'string', default: '' },
    seed: { type: 'string', default: '1' },
  },
});
const seconds = Number(values.seconds);

const WITNESS = fileURLToPath(new URL('reasons-witness', import.meta.url));
const PROGRAM_FILE = fileURLToPath(new URL('reasons_program.sh', import.meta.url));
const exporter = copyOfExporter(temporaryFolder());
/** Unknown reasons of each kind that are printed. */
const EXAMPLES = 4;

const LOGS: readonly Situation[] = [
  { title: 'plain' },
  { title: 'loglevel=warn', log: 'loglevel=warn' },
  { title: 'loglevel=debug', log: 'loglevel=debug' },
  {
    title: 'loglevel=debug, programs print lines as supervisord',
    log: 'loglevel=debug',
    forges: true,
  },
  { title: 'logfile=/dev/null', log: 'logfile=/dev/null' },
  { title: 'rotation with backups', log: 'logfile_maxbytes=4000\nlogfile_backups=5' },
  { title: 'copytruncate every second', disturb: copyTruncate },
  {
    title: 'loglevel=warn and copytruncate every second',
    log: 'loglevel=warn',
    disturb: copyTruncate,
  },
  {
    title: 'events= without REMOTE_COMMUNICATION',
    events: 'PROCESS_STATE,PROCESS_GROUP,SUPERVISOR_STATE_CHANGE,TICK_60',
  },
  { title: 'no HTTP server', conf: 'no-http' },
];

const DISTURBANCES: readonly Situation[] = [
  { title: ', undisturbed' },
  {
    title: ', the exporter is frozen for seconds',
    disturb: async ({ supervisord, pick }) => {
      const exporter = pidOf(supervisord, 'exporter');
      await sleep(500 + pick(3_000));
      kill(exporter, 'SIGSTOP');
      await sleep(500 + pick(4_000));
      kill(exporter, 'SIGCONT');
    },
  },
  {
    title: ', the exporter is killed',
    disturb: async ({ supervisord, pick }) => {
      await sleep(2_000 + pick(6_000));
      const exporter = pidOf(supervisord, 'exporter');
      kill(exporter);
      await eventually(20_000, () => {
        if (pidOf(supervisord, 'exporter') === exporter) throw new Error('not restarted');
      });
    },
  },
];

async function copyTruncate({ supervisord: { dir } }: Run): Promise<void> {
  const log = join(dir, 'supervisord.log');
  await sleep(1_000);
  copyFileSync(log, `${log}.copy`);
  truncateSync(log);
}

/** Each log with each disturbance. */
const SITUATIONS = DISTURBANCES.flatMap((disturbance) =>
  LOGS.map((log) => ({
    ...log,
    title: `${log.title}${disturbance.title}`,
    disturbances: [log.disturb, disturbance.disturb],
  })),
);

/** In the folder of the story; `lost-N` disappear. */
const COMMANDS = ['ends', 'lost-0', 'lost-1'];
const GROUPS = ['comes', 'two'];

const PROGRAMS = [
  ...program('loop', 'loop-%(process_num)d', 4, 'startsecs=0'),
  ...program('slow', 'slow-%(process_num)d', 3, 'startsecs=1\nautorestart=unexpected\nexitcodes=0'),
  ...program('one', 'same', 1, 'startsecs=0'),
  ...program('two', 'same', 1, 'startsecs=0'),
  ...program('comes', 'comes-%(process_num)d', 2, 'startsecs=0'),
  ...program('idle', 'idle-%(process_num)d', 3, 'startsecs=0', 'ends', ' long'),
  ...program('lost', 'lost-%(process_num)d', 2, 'startsecs=1', 'lost-%(process_num)d'),
].join('\n');

function program(
  group: string,
  name: string,
  count: number,
  settings: string,
  command = 'ends',
  argument = '',
): string[] {
  return [
    `[program:${group}]`,
    `command=%(ENV_STORY_DIR)s/${command} %(group_name)s ${name}${argument}`,
    `process_name=${name}\nnumprocs=${count}`,
    'exitcodes=0,3\nautorestart=true\nstartretries=2\nstopwaitsecs=1',
    settings,
  ];
}

/** Of its last run that was RUNNING, by the witness; 0 before that. */
function pidOf(supervisord: Supervisord, name: string): number {
  const running = new RegExp(`"name": "${name}".*"now": "RUNNING", "pid": (\\d+)`, 'g');
  return Number([...witnessOf(supervisord).matchAll(running)].at(-1)?.[1] ?? 0);
}

function witnessOf({ dir }: Supervisord): string {
  return readFileSync(join(dir, 'witness'), 'utf8');
}

/** Something that happens to a program. Faults are part of it: the process may just have ended. */
async function meddle({ supervisord, pick }: Run): Promise<void> {
  const { dir } = supervisord;
  const choose = (names: readonly string[]) => names[pick(names.length)] ?? '';
  const call = (method: string, ...params: readonly unknown[]) =>
    supervisord.call(`supervisor.${method}`, ...params).catch(() => {});
  const name = choose(['idle:idle-0', 'idle:idle-1', 'idle:idle-2', 'loop:loop-0', 'one:same']);
  const down = choose([name, 'slow:slow-0', 'slow:slow-1', 'lost:lost-0', 'lost:lost-1']);
  const lost = join(dir, choose(COMMANDS.slice(1)));
  switch (pick(9)) {
    case 0:
    case 1:
      await call('stopProcess', name, true);
      return void (await call('startProcess', name, false));
    case 2:
      return void (await call('stopProcess', down, false));
    case 3:
    case 4:
      return void (await call('startProcess', down, false));
    case 5:
      return rmSync(lost, { force: true });
    case 6:
      copyFileSync(join(dir, 'ends'), lost);
      return chmodSync(lost, pick(3) === 0 ? 0o644 : 0o755);
    case 7: {
      const group = choose(GROUPS);
      await call('stopProcessGroup', group, true);
      await call('removeProcessGroup', group);
      if (pick(2) === 0) await sleep(pick(1_000));
      return void (await call('addProcessGroup', group));
    }
    default: {
      const pid = pidOf(supervisord, name.replace(/^.*:/, ''));
      // It may have ended long ago, and its pid be that of another process.
      const isThere = childrenOf(supervisord.pid).includes(pid);
      if (isThere) kill(pid, pick(2) === 0 ? 'SIGKILL' : 'SIGUSR2');
    }
  }
}

/** Calls `action` until the time is over. */
async function repeat(until: number, action: () => Promise<unknown>): Promise<void> {
  while (performance.now() < until) await action();
}

async function watch({ supervisord, pick }: Run, { disturbances }: Played): Promise<Scrape[]> {
  const scrapes: Scrape[] = [];
  const until = performance.now() + seconds * 1_000;
  const scrapeOnce = async () => {
    const from = Date.now() / 1_000;
    const metrics = await supervisord.metrics().catch(() => undefined);
    if (metrics !== undefined) scrapes.push(scrapeOf(metrics, from, Date.now() / 1_000));
    progress(`${((until - performance.now()) / 1_000).toFixed(0)} s left`);
    await sleep(pick(80));
  };
  await Promise.all([
    repeat(until, scrapeOnce),
    repeat(until, async () => {
      await meddle({ supervisord, pick });
      await sleep(100 + pick(600));
    }),
    ...disturbances.map(
      (disturb) => disturb && repeat(until, () => disturb({ supervisord, pick })),
    ),
  ]);
  return scrapes;
}

function byKind(unknown: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const kinds = new Map<string, string[]>();
  for (const each of unknown) {
    const [, kind = ''] = / (\w+>\w+(?:, expected)?) at /.exec(each) ?? [];
    kinds.set(kind, [...(kinds.get(kind) ?? []), each]);
  }
  return kinds;
}

type Played = (typeof SITUATIONS)[number];

let running: Supervisord | undefined;

async function judge(situation: Played, pick: Run['pick']): Promise<Judgement> {
  const { log = '', conf = 'quiet', events, forges = false } = situation;
  let judgement: Judgement | undefined;
  const files = {
    'log.conf': `[supervisord]\nloglevel=info\n${log}\n`,
    'programs.conf': PROGRAMS,
  };
  const prepare = (dir: string) => {
    for (const command of COMMANDS) {
      copyFileSync(PROGRAM_FILE, join(dir, command));
      chmodSync(join(dir, command), 0o755);
    }
  };
  const environment = {
    REASONS_SEED: values.seed,
    REASONS_FORGES: forges ? 'yes' : 'no',
    PYTHONPATH: WITNESS,
  };
  const command = [process.execPath, exporter, '--web.listen-address=127.0.0.1:%(ENV_STORY_PORT)s'];
  const section = { command: command.join(' '), ...(events === undefined ? {} : { events }) };
  await play({ conf, files, prepare, environment, section }, async (supervisord) => {
    running = supervisord;
    await supervisord.until(60_000, () => {
      if (pidOf(supervisord, 'exporter') === 0) throw new Error('the exporter does not run');
    });
    const scrapes = await watch({ supervisord, pick }, situation);
    judgement = new Truth(witnessOf(supervisord)).judge(scrapes);
  });
  running = undefined;
  if (judgement === undefined) throw new Error('no judgement');
  return judgement;
}

await cleaningUp(10 + (SITUATIONS.length * (seconds + 60)) / 60, async () => {
  atEnd(() => {
    if (running === undefined) return;
    killWithChildren(running.pid);
    rmSync(running.dir, { recursive: true, force: true });
  });
  const rows = [['situation', 'ends', 'seen', 'known at once', 'later', 'unknown', 'FALSE']];
  const goals: Goal[] = [];
  const chosen = SITUATIONS.filter(({ title }) => title.includes(values.only));
  for (const situation of chosen) {
    console.error(situation.title);
    const { ends, seen, atOnce, later, unknown, wrong } = await judge(
      situation,
      random(Number(values.seed)),
    );
    for (const [kind, examples] of byKind(unknown)) {
      console.error(`unknown: ${examples.length} ${kind}, for example`);
      for (const each of examples.slice(-EXAMPLES)) console.error(`  ${each}`);
    }
    for (const each of wrong) console.error(`FALSE: ${each}`);
    const counts = [ends, seen, atOnce, later, unknown.length, wrong.length];
    rows.push([situation.title, ...counts.map(String)]);
    goals.push({
      what: `reasons: ${situation.title}`,
      value: `${wrong.length} of ${seen} false`,
      goal: 'none is false',
      isReached: wrong.length === 0 && seen > 0,
    });
  }
  console.log(formatTable(rows));
  reportGoals(goals);
});
