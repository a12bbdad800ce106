import { mock } from 'node:test';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { EventHandler } from '../../src/event-handler.ts';
import { parseEvent } from '../../src/listener/events.ts';
import { Watchdog } from '../../src/listener/watchdog.ts';
import { ChangeFeed } from '../../src/processes/changes.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import { MARKER_TYPE } from '../../src/resync/fetch.ts';
import { Resync } from '../../src/resync/resync.ts';
import type { RpcCall, RpcClient } from '../../src/rpc/client.ts';
import { RpcError } from '../../src/util/errors.ts';
import type { Logger } from '../../src/util/log.ts';
import { id } from '../support/facts.ts';
import { group, remote, step, tick } from '../support/wire.ts';

const handler = suite('event handler and resync');

handler.before.each(() => mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] }));
handler.after.each(() => mock.timers.reset());

const SILENT: Logger = { debug: undefined, info() {}, warn() {}, error() {} };
const ENTRY = {
  group: 'web',
  name: 'web',
  state: 20,
  start: 1,
  stop: 0,
  now: 1,
  exitstatus: 0,
  pid: 7,
  spawnerr: '',
};

/** supervisord at the other end: the test delivers its events and answers its calls. */
class World {
  readonly lifetime = new AbortController();
  readonly table = new ProcessTable();
  readonly resync: Resync;
  readonly handler: EventHandler;
  /** Markers that supervisord was asked to send, the oldest first. */
  readonly markers: string[] = [];
  isFirstLife = true;
  isStalled = false;
  #answers: { resolve: (results: unknown[]) => void; reject: (error: Error) => void }[] = [];

  constructor() {
    const { signal } = this.lifetime;
    const client: Pick<RpcClient, 'multicall' | 'call'> = {
      multicall: (calls: readonly RpcCall[]) => {
        this.markers.push(String(calls[0]?.params[1]));
        return new Promise((resolve, reject) => this.#answers.push({ resolve, reject }));
      },
      call: () => Promise.resolve(1),
    };
    const changes = new ChangeFeed();
    this.resync = new Resync({
      client: client as RpcClient,
      table: this.table,
      changes,
      log: SILENT,
      signal,
      onFirst: () => {
        if (this.isFirstLife) this.handler.expectFromZero();
      },
      onMarkerDue() {},
    });
    const watchdog = new Watchdog({ isAnswering: async () => true, onStalled() {}, signal });
    this.handler = new EventHandler({
      table: this.table,
      changes,
      resync: this.resync,
      watchdog,
      exits: () => ({ markerReceived() {}, tickReceived() {}, stalled: this.isStalled }),
      log: SILENT,
      signal,
    });
    this.resync.request('startup');
  }

  /** Delivers an event as it is on the wire. */
  event(text: string): void {
    const newline = text.indexOf('\n');
    const event = parseEvent(text.slice(0, newline), text.slice(newline + 1));
    this.handler.handle(event, Date.now() / 1000)();
  }

  /** Delivers the last marker that was asked for. */
  marker(serial: number): void {
    this.event(remote(serial, MARKER_TYPE, this.markers.at(-1) ?? ''));
  }

  /** Answers the oldest call. */
  async snapshot(entries: readonly unknown[] = [ENTRY]): Promise<void> {
    this.#answers.shift()?.resolve([1, entries, { statecode: 1 }, '4.2.5', 'supervisor']);
    await settle();
  }

  async fail(): Promise<void> {
    this.#answers.shift()?.reject(new RpcError('ERR_RPC_UNREACHABLE', 'refused'));
    await settle();
  }

  async seconds(count: number): Promise<void> {
    for (let step = 0; step < count * 4; step++) {
      mock.timers.tick(250);
      await settle();
    }
  }

  get lost(): number {
    return this.handler.stats.lost;
  }
}

/** Promises and immediates run before anything else does. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
}

async function play(story: (world: World) => Promise<void>): Promise<void> {
  const world = new World();
  try {
    await world.seconds(0.25);
    await story(world);
  } finally {
    world.lifetime.abort();
  }
}

const running = (serial: number) => step(serial, 'web:web', 'STARTING>RUNNING', 'pid:7');

handler('losses before the first event count, the first snapshot before the first event', () =>
  play(async (world) => {
    await world.snapshot();
    world.event(running(41));
    world.marker(42);
    await world.seconds(3);
    assert.is(world.lost, 41);
  }),
);

handler('losses before the first event count, the first event before the first snapshot', () =>
  play(async (world) => {
    world.event(running(41));
    world.marker(42);
    await world.snapshot();
    await world.seconds(3);
    assert.is(world.lost, 41);
  }),
);

handler('losses count though the marker of the first snapshot is discarded as well', () =>
  play(async (world) => {
    world.event(running(41));
    await world.snapshot();
    await world.seconds(6);
    assert.is(world.markers.length, 2, 'another snapshot was requested');
    world.marker(60);
    await world.snapshot();
    await world.seconds(3);
    assert.is(world.lost, 41 + 18);
    assert.is(world.resync.isSynced, true);
  }),
);

handler('losses count within 20 s though every marker is discarded', () =>
  play(async (world) => {
    world.event(running(41));
    await world.snapshot();
    for (let second = 0; second < 20; second++) {
      await world.seconds(1);
      await world.snapshot();
    }
    assert.is(world.lost, 41);
  }),
);

handler('losses count within 20 s though XML-RPC fails after the first snapshot', () =>
  play(async (world) => {
    await world.snapshot();
    world.marker(0);
    world.event(running(5));
    for (let second = 0; second < 20; second++) {
      await world.seconds(1);
      await world.fail();
    }
    assert.is(world.lost, 4);
    assert.is(world.resync.isSynced, false, 'no snapshot covers the loss');
  }),
);

handler('without proof, no event is lost while others are received, however long that takes', () =>
  play(async (world) => {
    world.event(running(0));
    await world.snapshot();
    // Another listener rejects events faster than supervisord sends our own.
    for (let serial = 50; serial < 80; serial++) {
      world.event(running(serial));
      await world.seconds(1);
      await world.fail();
    }
    assert.is(world.lost, 0);
    for (let serial = 1; serial < 50; serial++) world.event(running(serial));
    await world.seconds(30);
    assert.is(world.lost, 0);
  }),
);

handler('a tick every 5 s does not keep lost events from being counted', () =>
  play(async (world) => {
    world.event(running(3));
    await world.snapshot();
    for (let serial = 4; serial < 8; serial++) {
      world.event(tick(serial, 5, serial * 5));
      await world.seconds(5);
      await world.fail();
    }
    assert.is(world.lost, 3);
  }),
);

handler('no event is lost while supervisord is stopped', () =>
  play(async (world) => {
    world.event(running(3));
    world.isStalled = true;
    await world.seconds(180);
    world.isStalled = false;
    await world.seconds(14);
    assert.is(world.lost, 0);
    for (let serial = 0; serial < 3; serial++) world.event(running(serial));
    await world.seconds(60);
    assert.is(world.lost, 0);
  }),
);

for (const [title, step] of [
  ['is set forward', 3_600_000],
  ['is set back', -3_600_000],
] as const) {
  handler(`the clock ${title} by an hour: no event is lost that is received soon after`, () =>
    play(async (world) => {
      await world.snapshot();
      world.event(running(3));
      const now = Date.now;
      Date.now = () => now() + step;
      try {
        await world.seconds(1);
        world.marker(4);
        for (let serial = 0; serial < 3; serial++) world.event(running(serial));
        await world.seconds(30);
        assert.is(world.lost, 0);
      } finally {
        Date.now = now;
      }
    }),
  );
}

handler('in a later life events before the first one are not lost', () =>
  play(async (world) => {
    world.isFirstLife = false;
    world.event(running(41));
    world.marker(42);
    await world.snapshot();
    await world.seconds(30);
    assert.is(world.lost, 0);
  }),
);

handler('synced: from the first snapshot on, and while XML-RPC fails', () =>
  play(async (world) => {
    assert.is(world.resync.isSynced, false);
    world.event(running(0));
    assert.is(world.resync.isSynced, false, 'one process is not the table');
    world.marker(1);
    await world.snapshot();
    assert.is(world.resync.isSynced, true);
    world.event(tick(2, 60, 120));
    await world.seconds(1);
    await world.fail();
    assert.equal(world.resync.health, { failure: 'refused' });
    assert.is(world.resync.isSynced, true);
  }),
);

handler('not synced while a lost event waits for a later snapshot', () =>
  play(async (world) => {
    world.isFirstLife = false;
    world.event(running(0));
    world.marker(1);
    await world.snapshot();
    world.event(running(5));
    await world.seconds(1);
    world.marker(6);
    await world.seconds(3);
    assert.is(world.lost, 3);
    assert.is(world.resync.isSynced, false, 'the reply is still to come');
    await world.snapshot();
    assert.is(world.resync.isSynced, true);
  }),
);

for (const [title, pauses] of [
  ['at once', [0, 0, 0]],
  ['after pauses', [2, 4, 3]],
] as const) {
  handler(
    `a tick that supervisord moved ahead of a backlog does not make events count as lost: the backlog follows ${title}`,
    () =>
      play(async (world) => {
        world.event(running(0));
        await world.snapshot();
        // Another listener has rejected it; the marker is still in the backlog.
        world.event(tick(40, 5, 120));
        for (const [index, seconds] of pauses.entries()) {
          await world.seconds(seconds);
          for (let serial = 1; serial < 10; serial++) world.event(running(index * 10 + serial));
          world.event(tick(60 + index, 5, 130 + index));
          world.event(running(index * 10 + 10));
        }
        world.marker(31);
        for (let serial = 32; serial < 60; serial++) {
          if (serial !== 40) world.event(running(serial));
        }
        await world.seconds(20);
        assert.is(world.lost, 0);
      }),
  );
}

handler('without markers, a hole at the start is lost within 20 s', () =>
  play(async (world) => {
    world.event(running(30));
    await world.snapshot();
    for (let serial = 31; serial < 35; serial++) {
      world.event(tick(serial, 5, serial * 5));
      await world.seconds(5);
      await world.snapshot();
    }
    assert.is(world.lost, 30);
  }),
);

handler('without markers, a later hole is lost within two seconds', () =>
  play(async (world) => {
    world.event(running(0));
    await world.snapshot();
    await world.seconds(1);
    world.event(tick(1, 5, 120));
    assert.is(world.resync.hasMarkers, false);
    world.event(running(12));
    await world.seconds(2);
    assert.is(world.lost, 10);
  }),
);

handler('a state of supervisord that an event reports counts before the first snapshot', () =>
  play(async (world) => {
    world.event(
      'ver:3.0 server:s serial:1 pool:p poolserial:0 eventname:SUPERVISOR_STATE_CHANGE_STOPPING len:0\n',
    );
    assert.is(world.resync.server?.stateCode, -1);
    assert.is(world.resync.server?.version, undefined);
    world.marker(1);
    await world.snapshot();
    assert.is(world.resync.server?.version, '4.2.5');
    assert.is(world.resync.server?.stateCode, -1, 'the snapshot was requested before the event');
  }),
);

handler('a malformed event is counted, and its serial is no gap', () =>
  play(async (world) => {
    world.event(running(0));
    world.event('ver:3.0 server:s serial:1 pool:p poolserial:1 eventname:TICK_60 len:3\nxyz');
    world.event(running(2));
    assert.equal(world.handler.stats.malformed, { header: 0, unknown_event: 0, payload: 1 });
    assert.is(world.handler.stats.gaps, 0);
  }),
);

handler('a redelivered event is counted as such and changes nothing', () =>
  play(async (world) => {
    world.event(running(0));
    world.event(running(0));
    assert.is(world.handler.stats.redelivered, 1);
    assert.is(world.table.get(id('web'))?.transitions.get('STARTING>RUNNING'), 1);
    assert.is(world.handler.stats.received.get('PROCESS_STATE_RUNNING'), 2);
  }),
);

handler('an added group requests a snapshot, unless a marker is due', () =>
  play(async (world) => {
    world.event(group(0, 'ADDED', 'new'));
    await world.seconds(1);
    assert.is(world.markers.length, 1, 'the snapshot at the start includes it');
    world.marker(1);
    await world.snapshot();
    world.event(group(2, 'ADDED', 'newer'));
    await world.seconds(1);
    assert.is(world.markers.length, 2);
  }),
);

handler.run();
