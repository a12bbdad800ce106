/** Memory does not grow with the number of programs that have come and gone. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { residentBytes } from '../../bench/proc.ts';
import { timed } from '../support/deadline.ts';
import { type RunningExporter, withExporter } from '../support/exporter.ts';
import { EVENTS_PER_LIFE, type Lives, sendLives } from '../support/lives.ts';
import { openStream } from '../support/stream.ts';

const memory = suite('memory');

const MB = 2 ** 20;
/** A name that is kept of each program would take 10 MB in all. */
const NAME_CHARACTERS = 8_192;
const LIVES: Lives = {
  programs: 4,
  groupOf: (program, generation) => `${program}-${generation}`,
  nameOf: (program, generation) => `${program}-${generation}-`.padEnd(NAME_CHARACTERS, 'x'),
};
const WARM_UP_PROGRAMS = 400;
const PROGRAMS = 1_200;
/** Between two readings of the client. */
const PROGRAMS_PER_ROUND = 100;
const MAX_GROWTH_BYTES = 8 * MB;

type Reading = (exporter: RunningExporter) => Promise<void>;

const request =
  (...paths: readonly string[]): Reading =>
  async (exporter) => {
    for (const path of paths) await (await fetch(exporter.url(path))).text();
  };

const READINGS: readonly (readonly [name: string, args: readonly string[], read: Reading])[] = [
  ['no client reads anything', [], async () => {}],
  ['/metrics, /-/programs and the page are requested', [], request('/metrics', '/-/programs', '/')],
  [
    'no Alertmanager answers',
    ['--alertmanager.url=http://127.0.0.1:1', '--collector.log-tail=1KiB'],
    async () => {},
  ],
  [
    'clients follow the page for a while',
    [],
    async (exporter) => {
      const stream = await openStream(exporter.url('/-/events'));
      await stream.until((messages) => assert.ok(messages.length > 0));
      stream.close();
    },
  ],
];

for (const [name, args, read] of READINGS) {
  memory(
    `it is the same after ${PROGRAMS} more programs while ${name}`,
    timed(60_000, () =>
      withExporter({ args }, async (exporter) => {
        const pid = exporter.child.pid ?? 0;
        let programs = 0;
        const runUntil = async (end: number) => {
          while (programs < end) {
            const events = PROGRAMS_PER_ROUND * EVENTS_PER_LIFE;
            await sendLives(exporter, LIVES, programs * EVENTS_PER_LIFE, events);
            programs += PROGRAMS_PER_ROUND;
            await read(exporter);
          }
          return residentBytes(pid);
        };
        const before = await runUntil(WARM_UP_PROGRAMS);
        const growth = (await runUntil(WARM_UP_PROGRAMS + PROGRAMS)) - before;
        assert.ok(growth < MAX_GROWTH_BYTES, `it grew by ${(growth / MB).toFixed(1)} MB`);
      }),
    ),
  );
}

memory.run();
