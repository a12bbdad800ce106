import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { signalName } from '../../src/supervisor/signals.ts';
import { readAccount, readLastEnds } from '../support/account.ts';
import { eventually, timed } from '../support/deadline.ts';
import type { Exposition } from '../support/exposition.ts';
import { play, type Supervisord } from '../support/supervisord.ts';

const storm = suite('storm');

const STORM_MS = 12_000;

/** The debug logging of the other configurations would dominate supervisord's work in a storm. */
const INFO = { 'log.conf': '[supervisord]\nloglevel=info\n' };

storm(
  "with 24 processes in crash loops, starts and exits equal those in supervisord's log",
  timed(160_000, () =>
    play({ conf: 'storm', files: INFO }, async (supervisord) => {
      await begin(supervisord);
      await sleep(STORM_MS);
      await calm(supervisord);
      await assertCounted(supervisord);
      await assertReasons(supervisord);
    }),
  ),
);

storm(
  'when another listener rejects each event twice, late and repeated deliveries count once',
  timed(160_000, () =>
    play({ conf: 'rejecting', files: INFO }, async (supervisord) => {
      await begin(supervisord);
      await sleep(STORM_MS);
      await calm(supervisord);
      await assertCounted(supervisord);
      const metrics = await supervisord.metrics();
      assert.ok((metrics.value('supervisord_exporter_events_redelivered_total') ?? 0) > 50);
    }),
  ),
);

storm(
  'after the exporter is killed, its next start receives the events that were not acknowledged',
  timed(160_000, () =>
    play({ conf: 'storm', flags: ['--log.level=debug'], files: INFO }, async (supervisord) => {
      await begin(supervisord);
      const starts = 5;
      for (let start = 1; start < starts; start++) {
        await sleep(2_500);
        const { pid } = await supervisord.call<{ pid: number }>(
          'supervisor.getProcessInfo',
          'exporter',
        );
        process.kill(pid, 'SIGKILL');
        await eventually(10_000, () =>
          assert.is(readAccount(supervisord.log).get('exporter')?.spawned, start + 1),
        );
      }
      await sleep(2_500);
      await calm(supervisord);

      const events = readEvents(supervisord.exporterLog);
      const unlogged = missingSerials([...events.keys()]);
      assertOnePerKill(unlogged, starts - 1);
      for (const [event, of] of [
        ['PROCESS_STATE_STARTING', 'spawned'],
        ['PROCESS_STATE_EXITED', 'exited'],
      ] as const) {
        let missing = 0;
        for (const [name, account] of readAccount(supervisord.log)) {
          if (!/^(?:good|bad)-/.test(name)) continue;
          const own = [...events.values()].filter(
            (logged) => logged.event === event && logged.process.endsWith(`:${name}`),
          );
          assert.ok(own.length <= account[of], `${name}: ${own.length} ${of}`);
          missing += account[of] - own.length;
        }
        assert.ok(missing <= unlogged.length, `${missing} of ${event} were not received`);
      }
      const metrics = await supervisord.metrics();
      assert.is(metrics.value('supervisord_exporter_events_lost_total'), 0);
    }),
  ),
);

/** Waits until the crash loops run and the exporter counts. */
async function begin(supervisord: Supervisord): Promise<void> {
  await supervisord.until(80_000, (metrics) => {
    assert.ok(metrics.sum('supervisord_process_exits_total') > 24);
  });
}

/** Ends the crash loops and waits until all states of the exporter equal supervisord's. */
async function calm(supervisord: Supervisord): Promise<void> {
  // supervisord cannot stop a process that is between two runs, and starts it again.
  await eventually(30_000, async () => {
    await supervisord.ctl('stop', 'good:*', 'bad:*');
    const all = await supervisord.call<Array<{ group: string; state: number }>>(
      'supervisor.getAllProcessInfo',
    );
    const going = all.filter(
      ({ group, state }) => (group === 'good' || group === 'bad') && state !== 0,
    );
    assert.is(going.length, 0, 'all have stopped');
  });
  await eventually(30_000, async () => {
    const metrics = await supervisord.metrics();
    const lastEvent = metrics.value('supervisord_exporter_last_event_timestamp_seconds') ?? 0;
    assert.ok(lastEvent < Date.now() / 1000 - 2, 'no event for two seconds');
    const processes = await supervisord.call<Array<{ name: string; group: string; state: number }>>(
      'supervisor.getAllProcessInfo',
    );
    for (const { name, group, state } of processes) {
      assert.is(metrics.value('supervisord_state', { name, group }), state, name);
    }
  });
}

async function assertCounted(supervisord: Supervisord): Promise<void> {
  const metrics = await supervisord.metrics();
  const account = readAccount(supervisord.log);
  let exits = 0;
  for (const group of ['good', 'bad']) {
    for (let number = 10; number < 22; number++) {
      const name = `${group}-${number}`;
      const logged = account.get(name);
      assert.is(
        metrics.sum('supervisord_process_transitions_total', { name, to: 'STARTING' }),
        logged?.spawned,
        name,
      );
      assert.is(metrics.value('supervisord_process_exits_total', { name }), logged?.exited, name);
      assert.is(
        metrics.value('supervisord_process_unexpected_exits_total', { name }),
        logged?.unexpected,
        name,
      );
      exits += logged?.exited ?? 0;
    }
  }
  assert.ok(exits > 150, `a storm, and not ${exits} exits`);
  assertNothingLost(metrics);
}

/** The shown exit code or signal of each process is that of its last exit. */
async function assertReasons(supervisord: Supervisord): Promise<void> {
  await eventually(20_000, async () => {
    const metrics = await supervisord.metrics();
    for (const [name, end] of readLastEnds(supervisord.log)) {
      const status = metrics.value('supervisord_exit_status', { name });
      const signal = metrics.value('supervisord_exit_signal', { name });
      const shown =
        signal === 0 ? `exit status ${status}` : `terminated by ${signalName(signal ?? 0)}`;
      assert.is(shown, end, name);
    }
  });
}

function assertNothingLost(metrics: Exposition): void {
  assert.is(metrics.value('supervisord_exporter_events_lost_total'), 0);
  assert.is(metrics.value('supervisord_exporter_resync_corrections_total'), 0);
}

function missingSerials(serials: readonly number[]): number[] {
  const received = new Set(serials);
  return Array.from({ length: Math.max(...serials) + 1 }, (_, serial) => serial).filter(
    (serial) => !received.has(serial),
  );
}

/**
 * The exporter logs an event after its acknowledgement. A kill between the two leaves one event
 * that was received and is not in the log; supervisord sends every other one again.
 */
function assertOnePerKill(unlogged: readonly number[], kills: number): void {
  assert.ok(unlogged.length <= kills, `after ${kills} kills ${unlogged.join(', ')} are missing`);
  const pairs = unlogged.filter((serial) => unlogged.includes(serial - 1));
  assert.equal(pairs, [], 'no two serials in a row are missing');
}

/** The events that the exporter has logged over all its starts, each serial once. */
function readEvents(log: string): Map<number, { event: string; process: string }> {
  const events = new Map<number, { event: string; process: string }>();
  for (const [, serial, event = '', process = ''] of log.matchAll(
    /msg=event serial=(\d+) event=(\S+)(?: process=(\S+))?/g,
  )) {
    events.set(Number(serial), { event, process });
  }
  return events;
}

storm.run();
