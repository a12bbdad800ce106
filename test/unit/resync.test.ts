import { mock } from 'node:test';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Change, ChangeFeed } from '../../src/processes/changes.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import { Resync, type ResyncStats } from '../../src/resync/resync.ts';
import type { AdaptiveTimeout } from '../../src/rpc/adaptive-timeout.ts';
import type { RpcCall, RpcClient } from '../../src/rpc/client.ts';
import { RpcError, type RpcErrorCode } from '../../src/util/errors.ts';
import type { Log, Logger } from '../../src/util/log.ts';

const resync = suite('resync');

resync.before.each(() => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  mock.method(performance, 'now', () => Date.now());
});
resync.after.each(() => {
  mock.timers.reset();
  mock.restoreAll();
});

const RUNNING = 20;
const EXITED = 100;
const NO_REQUESTS: ResyncStats['requests'] = {
  startup: 0,
  tick: 0,
  gap: 0,
  group: 0,
  unreported_exit: 0,
};

/** supervisord at the other end: the test answers its calls and delivers its events. */
class World {
  readonly lifetime = new AbortController();
  readonly table = new ProcessTable();
  readonly resync: Resync;
  readonly published: Change[] = [];
  readonly logged: string[] = [];
  /** The multicalls that were made, the oldest first. */
  readonly requests: (readonly RpcCall[])[] = [];
  /** The timeout of the last one. */
  timeoutMs: number | undefined;
  firstSnapshots = 0;
  markersDue = 0;
  #answer: { resolve: (results: unknown[]) => void; reject: (error: Error) => void } | undefined;

  constructor(hasHttpServer = true) {
    const client: Pick<RpcClient, 'timeoutMs' | 'multicall'> = {
      timeoutMs: 5_000,
      multicall: (calls: readonly RpcCall[], timeout?: AdaptiveTimeout) => {
        this.requests.push(calls);
        this.timeoutMs = timeout?.ms;
        return new Promise((resolve, reject) => {
          this.#answer = { resolve, reject };
        });
      },
    };
    const log =
      (level: string): Log =>
      (text, fields = {}) =>
        this.logged.push([level, text, ...Object.values(fields)].join(': '));
    const logger: Logger = {
      debug: undefined,
      info: log('info'),
      warn: log('warn'),
      error: log('error'),
    };
    const changes = new ChangeFeed();
    changes.subscribe((change) => this.published.push(change));
    this.resync = new Resync({
      client: hasHttpServer ? (client as RpcClient) : undefined,
      table: this.table,
      changes,
      log: logger,
      onFirst: () => {
        this.firstSnapshots += 1;
        assert.is(this.table.size, 0, 'before it is applied');
      },
      onMarkerDue: () => {
        this.markersDue += 1;
      },
      signal: this.lifetime.signal,
    });
    this.resync.request('startup');
  }

  /** Delivers the marker of the last request. */
  marker(serial: number): boolean {
    return this.resync.remoteCommunicationReceived(remote(serial, this.lastMarker));
  }

  get lastMarker(): string {
    return String(this.requests.at(-1)?.[0]?.params[1]);
  }

  tick(when: number, period: 5 | 60 = 5, isInOrder = true): void {
    this.resync.tickReceived(
      { kind: 'tick', name: `TICK_${period}`, serial: 0, when, period },
      isInOrder,
    );
  }

  /** Answers the last call with a snapshot of the second 100. */
  async snapshot(states: Readonly<Record<string, number>> = { web: RUNNING }): Promise<void> {
    const entries = Object.entries(states).map(([name, state]) => ({
      group: name,
      name,
      state,
      start: 1,
      stop: 0,
      now: 100,
      exitstatus: 0,
      pid: 7,
      spawnerr: '',
    }));
    this.#answer?.resolve([1, entries, { statecode: 1 }, '4.2.5', 'supervisor']);
    await settle();
  }

  async fail(code: RpcErrorCode, message: string): Promise<void> {
    this.#answer?.reject(new RpcError(code, message));
    await settle();
  }

  async seconds(count: number): Promise<void> {
    for (let step = 0; step < count * 4; step++) {
      mock.timers.tick(250);
      await settle();
    }
  }
}

function remote(serial: number, data: string, type = 'supervisor-exporter') {
  return {
    kind: 'remote-communication',
    name: 'REMOTE_COMMUNICATION',
    serial,
    type,
    data,
  } as const;
}

/** Promises and immediates run before anything else does. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Plays a story in which the first snapshot is requested at the second 10. */
function story(title: string, play: (world: World) => Promise<void>): void {
  resync(title, async () => {
    mock.timers.tick(9_750);
    const world = new World();
    try {
      await world.seconds(0.25);
      await play(world);
    } finally {
      world.lifetime.abort();
    }
  });
}

resync(
  'without an HTTP server nothing is requested, and nothing waits for a snapshot',
  async () => {
    const world = new World(false);
    world.resync.requestUnlessCovered('group', 1);
    world.tick(60, 60);
    await world.seconds(70);
    assert.equal(world.requests, []);
    assert.equal(world.resync.stats.requests, NO_REQUESTS);
    assert.is(world.resync.health, 'none');
    assert.is(world.resync.whyNotReady, undefined);
    assert.is(world.resync.hasMarkers, false);
    world.lifetime.abort();
  },
);

resync('before the first request a snapshot is waited for', () => {
  const world = new World();
  assert.is(world.resync.whyNotReady, 'waiting for the first snapshot of supervisord');
  assert.is(world.resync.health, 'pending');
  world.lifetime.abort();
});

story('one call sends the marker and takes the snapshot', async (world) => {
  assert.equal(
    world.requests.map((calls) => calls.map(({ methodName }) => methodName)),
    [
      [
        'supervisor.sendRemoteCommEvent',
        'supervisor.getAllProcessInfo',
        'supervisor.getState',
        'supervisor.getSupervisorVersion',
        'supervisor.getIdentification',
      ],
    ],
  );
  assert.equal(world.requests[0]?.[0]?.params, ['supervisor-exporter', world.lastMarker]);
});

story('each request has a marker of its own', async (world) => {
  const first = world.lastMarker;
  await world.snapshot();
  world.tick(60, 60);
  await world.seconds(1);
  assert.is(world.requests.length, 2);
  assert.is.not(world.lastMarker, first);
});

story('health, and why the exporter is not ready yet', async (world) => {
  const { resync: subject } = world;
  assert.is(subject.health, 'pending');
  await world.seconds(7);
  assert.is(
    subject.whyNotReady,
    'waiting for the first snapshot of supervisord, requested 7 s ago',
  );
  await world.fail('ERR_RPC_UNREACHABLE', 'refused');
  assert.equal(subject.health, { failure: 'refused' });
  assert.is(subject.whyNotReady, 'refused');
  await world.seconds(1);
  await world.snapshot();
  assert.is(subject.health, 'works');
  assert.is(subject.whyNotReady, undefined);
  assert.is(subject.hasMarkers, true);
  assert.is(world.firstSnapshots, 1);
  world.tick(60, 60);
  await world.seconds(1);
  await world.fail('ERR_RPC_UNREACHABLE', 'refused again');
  assert.equal(subject.health, { failure: 'refused again' });
  assert.is(subject.whyNotReady, undefined, 'it has had a snapshot');
  await world.seconds(1);
  await world.snapshot();
  assert.is(world.firstSnapshots, 1);
});

story('requests, failures, times and corrections are counted', async (world) => {
  const { stats } = world.resync;
  assert.is(stats.lastAt, undefined);
  assert.is(stats.lastDuration, undefined);
  await world.fail('ERR_RPC_UNREACHABLE', 'refused');
  assert.is(stats.lastAt, undefined);
  await world.seconds(1);
  await world.seconds(2);
  await world.snapshot();
  assert.equal(stats.requests, { ...NO_REQUESTS, startup: 2 });
  assert.equal(stats.failures, { ...NO_REQUESTS, startup: 1 });
  assert.is(stats.lastAt, 13);
  assert.is(stats.lastDuration, 2);
  world.marker(0);
  assert.is(stats.corrections, 0);
  world.tick(60, 5);
  await world.seconds(1);
  assert.equal(stats.requests, { ...NO_REQUESTS, startup: 2 }, 'a tick of 5 s requests nothing');
  world.tick(60, 60);
  await world.seconds(1);
  assert.equal(stats.requests, { ...NO_REQUESTS, startup: 2, tick: 1 });
  world.marker(1);
  await world.snapshot({ web: EXITED });
  assert.is(stats.corrections, 1);
  assert.equal(
    world.published.map(({ kind }) => kind),
    ['added', 'updated', 'updated'],
  );
});

story('a failing XML-RPC is logged once for each reason, and so is its end', async (world) => {
  const failures = [
    ['ERR_RPC_UNREACHABLE', 'refused'],
    ['ERR_RPC_UNREACHABLE', 'refused'],
    ['ERR_RPC_TIMEOUT', 'no answer in 5 s'],
    ['ERR_RPC_TIMEOUT', 'no answer in 10 s'],
    ['ERR_RPC_UNAUTHORIZED', 'no password'],
    ['ERR_RPC_TIMEOUT', 'no answer in 20 s'],
  ] as const;
  for (const [code, message] of failures) {
    await world.fail(code, message);
    await world.seconds(60);
  }
  await world.snapshot();
  world.tick(60, 60);
  await world.seconds(1);
  await world.snapshot();
  const reasons = ['refused', 'no answer in 5 s', 'no password', 'no answer in 20 s'];
  assert.equal(world.logged, [
    ...reasons.map((reason) => `warn: XML-RPC fails; events are still counted: ${reason}`),
    'info: XML-RPC works again',
    'info: first snapshot received: 1',
  ]);
});

story('supervisord is given more time for more processes', async (world) => {
  assert.is(world.timeoutMs, 5_000);
  await world.snapshot(
    Object.fromEntries(Array.from({ length: 4_000 }, (_, index) => [`web${index}`, RUNNING])),
  );
  world.tick(60, 60);
  await world.seconds(1);
  assert.ok((world.timeoutMs ?? 0) > 10_000, `${world.timeoutMs} ms`);
});

story('a marker is reported as due where earlier ones were received', async (world) => {
  await world.snapshot();
  assert.is(world.markersDue, 0, 'none was ever received');
  assert.is(world.resync.isSynced, true);
  assert.is(world.marker(0), true);
  world.tick(60, 60);
  await world.seconds(1);
  await world.snapshot();
  assert.is(world.markersDue, 1);
  world.marker(1);
  world.tick(120, 60);
  await world.seconds(1);
  world.marker(2);
  await world.snapshot();
  assert.is(world.markersDue, 1, 'it was received before the reply');
});

story('another remote communication is no marker of ours', async (world) => {
  assert.is(world.resync.remoteCommunicationReceived(remote(0, world.lastMarker, 'deploy')), false);
  assert.is(world.resync.remoteCommunicationReceived(remote(1, 'of another exporter')), false);
  await world.snapshot();
  assert.is(world.markersDue, 0);
});

story('what is received while a marker is in flight is covered, for 5 s', async (world) => {
  await world.seconds(4.75);
  world.resync.requestUnlessCovered('group', Date.now() / 1000);
  await world.snapshot();
  await world.seconds(0.25);
  assert.is(world.requests.length, 1, 'the reply is there, and the marker is still to come');
  world.resync.requestUnlessCovered('group', Date.now() / 1000);
  await world.seconds(0.25);
  assert.is(world.requests.length, 2);
  assert.is(world.resync.stats.requests.group, 1);
});

story('after the marker an event is not covered', async (world) => {
  world.marker(0);
  world.resync.requestUnlessCovered('group', Date.now() / 1000);
  await world.snapshot();
  await world.seconds(0.25);
  assert.is(world.requests.length, 2);
});

story('markers that are not received are reported once, and cover nothing', async (world) => {
  await world.snapshot();
  world.tick(101, 5, false);
  assert.is(world.resync.hasMarkers, true, 'the tick may have overtaken the marker');
  world.tick(101);
  assert.is(world.resync.hasMarkers, false);
  world.tick(106);
  world.tick(120, 60);
  await world.seconds(0.25);
  assert.is(world.requests.length, 2);
  world.resync.requestUnlessCovered('group', Date.now() / 1000);
  await world.snapshot();
  world.tick(125);
  await world.seconds(0.25);
  assert.is(world.requests.length, 3);
  assert.equal(world.logged.slice(1), [
    'warn: REMOTE_COMMUNICATION is not among the events of this listener: snapshots are ordered by from_state alone',
  ]);
});

story('a loss is covered by a snapshot whose marker is later', async (world) => {
  world.marker(3);
  await world.snapshot();
  world.resync.eventsLost(2, Date.now() / 1000);
  assert.is(world.resync.isSynced, true, 'the snapshot was later');
  world.resync.eventsLost(8, Date.now() / 1000);
  world.resync.eventsLost(7, Date.now() / 1000);
  assert.is(world.resync.isSynced, false);
  await world.seconds(0.25);
  assert.equal(world.resync.stats.requests, { ...NO_REQUESTS, startup: 1, gap: 1 });
  await world.snapshot();
  assert.is(world.resync.isSynced, false, 'the marker is still to come');
  world.marker(8);
  assert.is(world.resync.isSynced, true);
});

story('the loss of the first event counts', async (world) => {
  await world.snapshot();
  world.resync.eventsLost(0, Date.now() / 1000);
  assert.is(world.resync.isSynced, false);
});

story('without markers a loss is covered by a snapshot that was requested later', async (world) => {
  await world.snapshot();
  world.tick(101);
  world.tick(120, 60);
  await world.seconds(1);
  assert.is(world.requests.length, 2);
  world.resync.eventsLost(8, Date.now() / 1000);
  await world.snapshot();
  assert.is(world.resync.isSynced, false, 'requested before the loss');
  await world.seconds(1);
  assert.is(world.requests.length, 3);
  await world.snapshot();
  assert.is(world.resync.isSynced, true);
});

story(
  'the state of supervisord is what its last event or a later request reports',
  async (world) => {
    const { resync: subject } = world;
    assert.is(subject.server, undefined);
    await world.snapshot();
    assert.equal(subject.server, { version: '4.2.5', identifier: 'supervisor', stateCode: 1 });
    subject.serverStateReceived(-1, Date.now() / 1000);
    assert.equal(subject.server, { version: '4.2.5', identifier: 'supervisor', stateCode: -1 });
    await world.seconds(1);
    world.tick(60, 60);
    await world.seconds(1);
    await world.snapshot();
    assert.is(subject.server?.stateCode, 1);
  },
);

resync.run();
