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
      | 'token'
      | 'supervisord hangs'
      | 'supervisord is back'
      | 'stop',
    ]
  | readonly ['seconds', number, 'deaf'?];

const HISTORIES: Readonly<Record<string, readonly Step[]>> = {
  'nothing at all since the start': [
    ['seconds', 154],
    ['seconds', 2, 'deaf'],
  ],
  'events, and no tick among them: not watched': [['seconds', 10], ['event'], ['seconds', 9_999]],
  'a tick, then silence': [['event'], ['tick 60'], ['seconds', 154], ['seconds', 2, 'deaf']],
  'other events show as well that it is heard': [
    ['tick 60'],
    ['seconds', 140],
    ['event'],
    ['seconds', 140],
    ['event'],
    ['seconds', 154],
    ['seconds', 2, 'deaf'],
  ],
  'ticks of two periods: the shorter one is waited for': [
    ['tick 60'],
    ['tick 5'],
    ['tick 60'],
    ['seconds', 17],
    ['seconds', 1, 'deaf'],
  ],
  'hourly ticks': [['tick 3600'], ['seconds', 9_000], ['seconds', 6, 'deaf']],
  'silence while supervisord hangs is not our fault': [
    ['tick 60'],
    ['supervisord hangs'],
    ['seconds', 1_000],
    ['supervisord is back'],
    ['tick 60'],
    ['seconds', 154],
    ['seconds', 2, 'deaf'],
  ],
  'supervisord answers first, and its tick comes behind': [
    ['tick 60'],
    ['seconds', 152],
    ['tick 60'],
    ['seconds', 150],
    ['seconds', 6, 'deaf'],
  ],
  'no ticks, and a token that does not come back': [
    ['event'],
    ['token'],
    ['event'],
    ['seconds', 999],
    ['token'],
    ['seconds', 34],
    ['seconds', 2, 'deaf'],
  ],
  'ticks, and a token that does not come back: the token is due sooner': [
    ['tick 60'],
    ['token'],
    ['seconds', 34],
    ['seconds', 2, 'deaf'],
  ],
  'fast ticks are due sooner than a token': [
    ['tick 5'],
    ['token'],
    ['seconds', 17],
    ['seconds', 1, 'deaf'],
  ],
  stopped: [['tick 60'], ['stop'], ['seconds', 1_000]],
};

for (const [title, steps] of Object.entries(HISTORIES)) {
  watchdog(title, async () => {
    let isAnswering = true;
    let deaf = 0;
    const subject = new Watchdog({
      isAnswering: () => Promise.resolve(isAnswering),
      onDeaf: () => (deaf += 1),
    });
    subject.start();
    for (const step of steps) {
      const [kind] = step;
      if (kind === 'seconds') await pass(step[1]);
      else if (kind === 'supervisord hangs') isAnswering = false;
      else if (kind === 'supervisord is back') isAnswering = true;
      else if (kind === 'token') subject.expectToken();
      else if (kind === 'stop') subject.stop();
      else {
        subject.hear();
        if (kind !== 'event') subject.hearTick(Number(kind.slice('tick '.length)));
      }
      assert.is(deaf, step[2] === 'deaf' ? 1 : 0, `${title}: ${step.join(' ')}`);
    }
  });
}

/** Second by second, with what promises have to say in between. */
async function pass(seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    mock.timers.tick(1_000);
    for (let turn = 0; turn < 3; turn++) await Promise.resolve();
  }
}

watchdog.run();
