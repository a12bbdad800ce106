import { mock } from 'node:test';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Watchdog } from '../../src/listener/watchdog.ts';

const watchdog = suite('watchdog');

watchdog.before.each(() => mock.timers.enable({ apis: ['setTimeout'] }));
watchdog.after.each(() => mock.timers.reset());

type Step =
  | readonly [
      | 'event'
      | 'tick 5'
      | 'tick 60'
      | 'tick 3600'
      | 'marker'
      | 'supervisord hangs'
      | 'supervisord is back'
      | 'stop',
    ]
  | readonly ['seconds', number, 'stalled'?];

const HISTORIES: Readonly<Record<string, readonly Step[]>> = {
  'no event since the start': [
    ['seconds', 154],
    ['seconds', 2, 'stalled'],
  ],
  'events without ticks are not monitored': [['seconds', 10], ['event'], ['seconds', 9_999]],
  'no events after a tick': [['event'], ['tick 60'], ['seconds', 154], ['seconds', 2, 'stalled']],
  'events other than ticks count as well': [
    ['tick 60'],
    ['seconds', 140],
    ['event'],
    ['seconds', 140],
    ['event'],
    ['seconds', 154],
    ['seconds', 2, 'stalled'],
  ],
  'of two tick periods the shorter one counts': [
    ['tick 60'],
    ['tick 5'],
    ['tick 60'],
    ['seconds', 17],
    ['seconds', 1, 'stalled'],
  ],
  'hourly ticks': [['tick 3600'], ['seconds', 9_000], ['seconds', 6, 'stalled']],
  'time during which supervisord hangs does not count': [
    ['tick 60'],
    ['supervisord hangs'],
    ['seconds', 1_000],
    ['supervisord is back'],
    ['tick 60'],
    ['seconds', 154],
    ['seconds', 2, 'stalled'],
  ],
  'a tick that arrives after the answer of supervisord counts': [
    ['tick 60'],
    ['seconds', 152],
    ['tick 60'],
    ['seconds', 150],
    ['seconds', 6, 'stalled'],
  ],
  'no ticks, and a marker that is not received': [
    ['event'],
    ['marker'],
    ['event'],
    ['seconds', 999],
    ['marker'],
    ['seconds', 34],
    ['seconds', 2, 'stalled'],
  ],
  'ticks, and a marker that is not received: the marker is due sooner': [
    ['tick 60'],
    ['marker'],
    ['seconds', 34],
    ['seconds', 2, 'stalled'],
  ],
  'fast ticks are due sooner than a marker': [
    ['tick 5'],
    ['marker'],
    ['seconds', 17],
    ['seconds', 1, 'stalled'],
  ],
  stopped: [['tick 60'], ['stop'], ['seconds', 1_000]],
};

for (const [title, steps] of Object.entries(HISTORIES)) {
  watchdog(title, async () => {
    let isAnswering = true;
    let stalled = 0;
    const lifetime = new AbortController();
    const subject = new Watchdog({
      signal: lifetime.signal,
      isAnswering: () => Promise.resolve(isAnswering),
      onStalled: () => (stalled += 1),
    });
    subject.start();
    for (const step of steps) {
      const [kind] = step;
      if (kind === 'seconds') await pass(step[1]);
      else if (kind === 'supervisord hangs') isAnswering = false;
      else if (kind === 'supervisord is back') isAnswering = true;
      else if (kind === 'marker') subject.markerDue();
      else if (kind === 'stop') lifetime.abort();
      else {
        subject.eventReceived();
        if (kind !== 'event') subject.tickReceived(Number(kind.slice('tick '.length)));
      }
      assert.is(stalled, step[2] === 'stalled' ? 1 : 0, `${title}: ${step.join(' ')}`);
    }
  });
}

/** Second by second, so that promises settle in between. */
async function pass(seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    mock.timers.tick(1_000);
    for (let turn = 0; turn < 3; turn++) await Promise.resolve();
  }
}

watchdog.run();
