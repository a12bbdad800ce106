/** `npm run bench long-run`: memory over a million events of programs that come and go. */

import { PROGRAM, RunningExporter } from '../test/support/exporter.ts';
import { group, step } from '../test/support/wire.ts';
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
const ACKNOWLEDGEMENT = /RESULT 2\nOKREADY\n/g;

/** Each program is added with its first event, runs through these, and is removed. */
const LIFE = [
  ['STOPPED>STARTING', 'tries:0'],
  ['STARTING>RUNNING', 'pid:4194304'],
  ['RUNNING>EXITED', 'expected:0 pid:4194304'],
  ['EXITED>STARTING', 'tries:0'],
  ['STARTING>BACKOFF', 'tries:1'],
  ['BACKOFF>STARTING', 'tries:1'],
  ['STARTING>RUNNING', 'pid:4194304'],
  ['RUNNING>STOPPING', 'pid:4194304'],
  ['STOPPING>STOPPED', 'pid:4194304'],
] as const;

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
    await send(exporter, sent, options.batch);
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

/** Sends events `from` to `from + count`, and waits until all of them are acknowledged. */
function send(exporter: RunningExporter, from: number, count: number): Promise<void> {
  const { stdin, stdout } = exporter.child;
  let text = '';
  return new Promise((resolve, reject) => {
    const onEnd = () => reject(new Error(`the exporter has ended: ${exporter.stderr}`));
    const onData = (chunk: string) => {
      text += chunk;
      if ((text.match(ACKNOWLEDGEMENT) ?? []).length < count) return;
      stdout.off('data', onData);
      exporter.child.off('exit', onEnd);
      exporter.stdout = '';
      resolve();
    };
    stdout.on('data', onData);
    exporter.child.once('exit', onEnd);
    stdin.write(Array.from({ length: count }, (_, nth) => eventOf(from + nth)).join(''));
  });
}

/** Programs take turns, and each generation of them has other names. */
function eventOf(serial: number): string {
  const slot = serial % options.programs;
  const turn = Math.floor(serial / options.programs);
  const generation = Math.floor(turn / (LIFE.length + 1));
  const name = `program-${slot}-${generation}`;
  const [transition, extra] = LIFE[turn % (LIFE.length + 1)] ?? [];
  if (transition === undefined) return group(serial, 'REMOVED', name);
  return step(serial, `${name}:${name}`, transition, extra);
}
