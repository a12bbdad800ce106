/** `npm run bench growth`: what costs how much with 10, 100, 1,000 and 10,000 programs. */

import { cleaningUp } from './clean-up.ts';
import { readOptions } from './options.ts';
import { type Measured, measureReal } from './reality.ts';
import { formatGoals, formatMarkdown, formatTable } from './report.ts';
import { type Pauses, type Simulated, simulate } from './simulation.ts';
import { median } from './statistics.ts';

const SIZES = [10, 100, 1_000, 10_000];
/** supervisord runs that many here; it takes it a minute to start them. */
const MOST_REAL_PROGRAMS = 1_000;
const PAUSE_GOALS_MS: ReadonlyMap<number, number> = new Map([
  [1_000, 5],
  [10_000, 20],
]);
const NOT_MEASURED = '';

interface Outcome {
  readonly programs: number;
  readonly simulated: Simulated;
  readonly real: Measured | undefined;
}

interface Row {
  readonly what: string;
  readonly cell: (outcome: Outcome) => string;
}

const options = readOptions({ most: 10_000, times: 5, lives: 3, rounds: 5 });

const ROWS: readonly Row[] = [
  real('a scrape, ms', ({ scrape }) => scrape.ms),
  real('supervisord CPU for it, ms', ({ scrape }) => scrape.supervisordMs),
  real('node_exporter: a scrape, ms', ({ peerScrape }) => peerScrape.ms),
  real('node_exporter: supervisord CPU for it, ms', ({ peerScrape }) => peerScrape.supervisordMs),
  real('resident memory, MB', ({ residentMb }) => residentMb),
  real('node_exporter: resident memory, MB', ({ peerResidentMb }) => peerResidentMb),
  real('a resync, ms', ({ resyncMs }) => resyncMs),
  real('supervisord CPU for it, ms', ({ resync }) => resync.supervisordMs),
  real('getAllConfigInfo, ms', ({ settings }) => settings.ms),
  real('supervisord CPU for it, ms', ({ settings }) => settings.supervisordMs),
  simulated('a scrape behind 20 restarts, ms', ({ scrapeMs }) => scrapeMs),
  simulated('a scrape behind a resync, ms', ({ fullScrapeMs }) => fullScrapeMs),
  simulated('resident memory, MB', ({ residentMb }) => residentMb),
  simulated('an acknowledgement in a storm, median ms', ({ storm }) => storm.median, 2),
  simulated('an acknowledgement in a storm, p99 ms', ({ storm }) => storm.p99, 2),
  pause('nothing', 'with nothing to do'),
  pause('firstSnapshot', 'at the first snapshot'),
  pause('settings', 'at getAllConfigInfo'),
  pause('snapshot', 'at a resync'),
  pause('fullScrape', 'at a scrape behind a resync'),
  pause('scrape', 'at a scrape behind 20 restarts'),
];

await cleaningUp(async () => {
  const outcomes: Outcome[] = [];
  for (const programs of SIZES.filter((size) => size <= options.most)) {
    console.error(`measuring: ${programs} programs`);
    const isReal = programs <= MOST_REAL_PROGRAMS;
    outcomes.push({
      programs,
      real: isReal ? await measureReal({ programs, times: options.times }) : undefined,
      simulated: await simulate({ programs, lives: options.lives, rounds: options.rounds }),
    });
  }
  const head = ['programs', ...outcomes.map(({ programs }) => programs.toLocaleString('en'))];
  const rows = [head, ...ROWS.map(({ what, cell }) => [what, ...outcomes.map(cell)])];
  console.log('Sim: supervisord is played by the bench, and there are no programs.');
  console.log(
    'Pause: how long an event had to wait at the most; the median of several times, and the worst.\n',
  );
  console.log(`${formatTable(rows)}\n\n${formatMarkdown(rows)}\n`);
  console.log(formatGoals(outcomes.flatMap(goalsOf)));
});

function real(what: string, read: (measured: Measured) => number): Row {
  return { what, cell: ({ real }) => (real ? read(real).toFixed(1) : NOT_MEASURED) };
}

function simulated(what: string, read: (outcome: Simulated) => number, digits = 1): Row {
  return { what: `sim: ${what}`, cell: ({ simulated }) => read(simulated).toFixed(digits) };
}

function pause(when: keyof Pauses, what: string): Row {
  return {
    what: `sim: pause ${what}, ms`,
    cell: ({ simulated: { pauses } }) =>
      `${median(pauses[when]).toFixed(1)} (${Math.max(...pauses[when]).toFixed(1)})`,
  };
}

function goalsOf({ programs, simulated: { pauses } }: Outcome) {
  const goalMs = PAUSE_GOALS_MS.get(programs);
  if (goalMs === undefined) return [];
  return (['snapshot', 'fullScrape', 'scrape'] as const).map((when) => {
    const ms = median(pauses[when]);
    return {
      what: `${programs} programs, pause at ${when}`,
      value: `${ms.toFixed(1)} ms`,
      goal: `at most ${goalMs} ms`,
      isReached: ms <= goalMs,
    };
  });
}
