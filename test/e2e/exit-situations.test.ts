import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { timed } from '../support/deadline.ts';
import {
  assertLogWarning,
  assertSeenEarly,
  assertSeenLate,
  EIGHT,
  type Killed,
  killTogether,
  untilRunning,
} from '../support/killing.ts';
import { needsRoot } from '../support/not-run.ts';
import { makePipe } from '../support/pipe.ts';
import { play, type Story, type Supervisord } from '../support/supervisord.ts';

const exits = suite('exits with every kind of log and user');

const CODED = ['coded-0', 'coded-1'];

interface Situation {
  readonly title: string;
  /** undefined: killed.conf */
  readonly conf?: string;
  /** Lines of [supervisord]. */
  readonly log?: string;
  /** Whether any user may call XML-RPC. */
  readonly isSocketPublic?: boolean;
  readonly story?: Omit<Story, 'conf' | 'files'>;
  /** The only warning; undefined if there must be none. */
  readonly warning?: RegExp;
  readonly needsRoot?: boolean;
  /**
   * The exporter sees no process of supervisord. Where the pipes of a process close a moment before
   * it can be reaped, supervisord's poll has to end.
   */
  readonly isProcHidden?: boolean;
  /** Whether XML-RPC can be asked; undefined: yes. */
  readonly isAskable?: boolean;
}

const WITH_LOG_FILE = ['--supervisor.log-file=%(ENV_STORY_DIR)s/supervisord.log'];

const NOT_WATCHED = /msg="supervisord's log cannot be watched/;
const NOT_FOLLOWED = /msg="supervisord's log cannot be followed/;

/** Another user has to reach supervisord's folder. */
function openFolder(dir: string): void {
  chmodSync(dir, 0o755);
}

const AS_NOBODY = { section: { user: 'nobody' }, prepare: openFolder };
/** Lines of supervisord's configuration that let any user call XML-RPC. */
const PUBLIC_SOCKET = '[unix_http_server]\nchmod=0777\n';

/** Another user sees nothing of supervisord in this /proc. */
const WITH_HIDEPID = [
  ...['unshare', '-m', 'sh', '-c'],
  'mount -t proc -o hidepid=2 proc /proc && exec "$0" "$@"',
];

const WITHOUT_INOTIFY = [
  '/usr/bin/python3',
  fileURLToPath(new URL('../support/without_inotify.py', import.meta.url)),
];

/** Situations in which the log can be read: each scrape that shows an exit shows its reason. */
const READABLE: readonly Situation[] = [
  { title: 'a log of level info' },
  { title: 'loglevel=warn', log: 'loglevel=warn' },
  { title: 'loglevel=debug', log: 'loglevel=debug' },
  { title: 'loglevel=trace', log: 'loglevel=trace' },
  {
    title: 'logfile=NONE, which is a file of this name',
    log: 'logfile=NONE',
    story: { wrapper: ['sh', '-c', 'cd "$STORY_DIR" && exec "$0" "$@"'] },
  },
  { title: 'no HTTP server', conf: 'killed-no-http' },
  {
    title: 'the exporter as another user who may not use the socket',
    story: AS_NOBODY,
    needsRoot: true,
  },
  {
    title: 'the exporter as another user',
    isSocketPublic: true,
    story: AS_NOBODY,
    needsRoot: true,
  },
  {
    title: 'the exporter as another user, /proc with hidepid, the log by its path',
    story: {
      ...AS_NOBODY,
      wrapper: WITH_HIDEPID,
      flags: WITH_LOG_FILE,
    },
    needsRoot: true,
    isProcHidden: true,
  },
  {
    title: 'the limit of inotify is reached',
    story: { wrapper: WITHOUT_INOTIFY },
    warning: NOT_WATCHED,
    needsRoot: true,
  },
  {
    title: '/proc with hidepid, and the limit of inotify is reached',
    story: { ...AS_NOBODY, wrapper: [...WITH_HIDEPID, ...WITHOUT_INOTIFY], flags: WITH_LOG_FILE },
    warning: NOT_WATCHED,
    needsRoot: true,
    isProcHidden: true,
  },
];

/** Situations in which it cannot be read: XML-RPC may report the exit code, if it is asked in time. */
const UNREADABLE: readonly Situation[] = [
  { title: '/dev/null', log: 'logfile=/dev/null', warning: NOT_FOLLOWED },
  { title: 'syslog', log: 'logfile=syslog', warning: NOT_FOLLOWED },
  {
    title: '/dev/stdout',
    log: 'logfile=/dev/stdout\nlogfile_maxbytes=0',
    warning: NOT_FOLLOWED,
  },
  {
    title: 'the exporter as a user who may not read the log',
    isSocketPublic: true,
    story: { ...AS_NOBODY, prepare: makePrivateLog },
    warning: NOT_FOLLOWED,
    needsRoot: true,
  },
  {
    title: 'the exporter as a user who may neither read the log nor use the socket',
    story: { ...AS_NOBODY, prepare: makePrivateLog },
    warning: NOT_FOLLOWED,
    needsRoot: true,
    isAskable: false,
  },
  {
    title: '/dev/null and no HTTP server',
    conf: 'killed-no-http',
    log: 'logfile=/dev/null',
    warning: NOT_FOLLOWED,
    isAskable: false,
  },
];

function makePrivateLog(dir: string): void {
  openFolder(dir);
  writeFileSync(join(dir, 'supervisord.log'), '', { mode: 0o600 });
}

function playSituation(
  { title, conf = 'killed', log = '', isSocketPublic = false, story = {}, ...needs }: Situation,
  body: (supervisord: Supervisord) => Promise<void>,
): Promise<void> {
  if (needs.needsRoot && !needsRoot(title)) return Promise.resolve();
  const files = {
    'log.conf': `[supervisord]\nloglevel=info\n${log}\n`,
    'socket-mode.conf': isSocketPublic ? PUBLIC_SOCKET : '',
  };
  const stdout = log.includes('/dev/stdout') ? { stdout: makePipe() } : {};
  return play({ conf, files, ...stdout, ...story }, async (supervisord) => {
    await untilRunning(supervisord, [...EIGHT, ...CODED]);
    await body(supervisord);
  });
}

const MOST_KILLS = 10;

/** Another user's log is found by supervisord's configuration, whose reader may take seconds. */
async function untilFollowed(supervisord: Supervisord): Promise<void> {
  for (let kills = 1; kills <= MOST_KILLS; kills++) {
    const { known } = await killTogether(supervisord, EIGHT.slice(-1), 'never-false');
    if (known === 1) return;
  }
  throw new Error('the log is not followed');
}

for (const situation of READABLE) {
  exits(
    `an exit is seen early and with its reason: ${situation.title}`,
    timed(120_000, () =>
      playSituation(situation, async (supervisord) => {
        await untilFollowed(supervisord);
        const kills: Killed[] = [];
        for (const names of [EIGHT.slice(0, 1), CODED.slice(0, 1), CODED]) {
          kills.push(await killTogether(supervisord, names));
        }
        assertSeenEarly(kills, situation.isProcHidden ? 1 : undefined);
        await killTogether(supervisord, EIGHT);
        await assertLogWarning(supervisord, situation.warning);
      }),
    ),
  );
}

for (const situation of UNREADABLE) {
  exits(
    `an exit is seen early and never with a false reason: ${situation.title}`,
    timed(120_000, () =>
      playSituation(situation, async (supervisord) => {
        const kills: Killed[] = [];
        for (const names of [CODED.slice(0, 1), CODED, CODED.slice(1), EIGHT.slice(0, 1)]) {
          kills.push(await killTogether(supervisord, names, 'never-false'));
        }
        assertSeenEarly(kills);
        // On a busy machine supervisord may restart each of them before it is asked.
        const isKnown = kills.some(({ known }) => known > 0);
        assert.is(isKnown, situation.isAskable ?? true, 'whether an exit status was known');
        await killTogether(supervisord, EIGHT, 'never-false');
        await assertLogWarning(supervisord, situation.warning);
      }),
    ),
  );
}

exits(
  'a log that becomes readable is followed',
  timed(120_000, () =>
    playSituation(
      { title: '', story: { ...AS_NOBODY, prepare: makePrivateLog }, needsRoot: true },
      async (supervisord) => {
        await assertLogWarning(supervisord, NOT_FOLLOWED);
        chmodSync(join(supervisord.dir, 'supervisord.log'), 0o644);
        await supervisord.until(60_000, () =>
          assert.match(supervisord.exporterLog, /msg="supervisord's log can be followed"/),
        );
        await killTogether(supervisord, EIGHT);
      },
    ),
  ),
);

exits(
  'with hidepid and no path of the log, exits are counted when supervisord sends their events',
  timed(120_000, () =>
    playSituation(
      { title: '', story: { ...AS_NOBODY, wrapper: WITH_HIDEPID }, needsRoot: true },
      async (supervisord) => {
        await killTogether(supervisord, [...EIGHT, ...CODED], 'never-false');
        const metrics = await supervisord.metrics();
        assert.is(metrics.value('supervisord_stalled'), undefined);
        await assertLogWarning(supervisord, NOT_FOLLOWED);
      },
    ),
  ),
);

exits(
  'without the nudge, supervisord sends the event of an exit after its poll',
  timed(120_000, () =>
    playSituation(
      { title: '', story: { flags: ['--no-supervisor.nudge'] } },
      async (supervisord) => {
        const kills: Killed[] = [];
        for (const name of EIGHT.slice(0, 3)) kills.push(await killTogether(supervisord, [name]));
        assertSeenLate(kills);
      },
    ),
  ),
);

exits.run();
