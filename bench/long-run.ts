/** `npm run bench long-run`: memory over a million events of programs that come and go. */

import { PROGRAM, RunningExporter } from '../test/support/exporter.ts';
import { type Lives, sendLives } from '../test/support/lives.ts';
import { atEnd, cleaningUp } from './clean-up.ts';
import { readOptions } from './options.ts';
import { residentBytes } from './proc.ts';
import { progress } from './progress.ts';
import { atMost, formatTable, reportGoals } from './report.ts';
import { Scraper } from './scraper.ts';

const MB = 2 ** 20;
const GOAL_MB = 5;
/** Until here the heap reaches its size. */
const WARM_UP_EVENTS = 100_000;
const options = readOptions({
  events: 1_000_000,
  /** Programs at a time. */
  programs: 200,
  /** Events between two scrapes. */
  scrapeEvery: 2_000,
  sampleEvery: 100_000,
  /** Events that are sent at once. */
  batch: 50,
});

const nameOf = (program: number, generation: number) => `program-${program}-${generation}`;
const LIVES: Lives = { programs: options.programs, groupOf: nameOf, nameOf };

await cleaningUp(10 + options.events / 50_000, async () => {
  console.error(`sending ${options.events} events to ${PROGRAM}`);
  const exporter = new RunningExporter(['--web.listen-address=127.0.0.1:0'], {});
  atEnd(() => exporter.child.kill('SIGKILL'));
  await exporter.ready();
  const scraper = new Scraper(exporter.url('/metrics'));
  atEnd(() => scraper.close());
  const pid = exporter.child.pid ?? 0;
  const samples: { readonly events: number; readonly mb: number; readonly series: number }[] = [];
  const began = performance.now();
  let series = 0;
  for (let sent = 0; sent < options.events; sent += options.batch) {
    await sendLives(exporter, LIVES, sent, options.batch);
    const total = sent + options.batch;
    progress(`${total} of ${options.events} events`);
    if (total % options.scrapeEvery === 0) series = (await scraper.scrape()).body.length;
    if (total % options.sampleEvery === 0) {
      samples.push({ events: total, mb: residentBytes(pid) / MB, series });
    }
  }
  const seconds = (performance.now() - began) / 1_000;
  console.log(
    formatTable([
      ['events', 'resident, MB', 'scrape, bytes compressed'],
      ...samples.map(({ events, mb, series }) => [
        events.toLocaleString('en'),
        mb.toFixed(1),
        String(series),
      ]),
    ]),
  );
  console.log(`\n${options.events} events in ${seconds.toFixed(0)} s, scrapes included`);
  const warm = samples.find(({ events }) => events >= WARM_UP_EVENTS)?.mb ?? Number.NaN;
  const growth = (samples.at(-1)?.mb ?? Number.NaN) - warm;
  reportGoals([
    atMost(
      `growth after the first ${WARM_UP_EVENTS} events`,
      growth,
      GOAL_MB,
      (mb) => `${mb.toFixed(1)} MB`,
    ),
  ]);
});
