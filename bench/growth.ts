/** `npm run bench growth`: what costs how much with 10, 100, 1,000 and 10,000 programs. */

import { cleaningUp } from './clean-up.ts';
import { readOptions } from './options.ts';
import { type Measured, measureReal } from './reality.ts';
import { formatGoals, formatMarkdown, formatTable } from './report.ts';
import { type Pauses, type Simulated, simulate } from './simulation.ts';
import { median } from './statistics.ts';

const SIZES = [10, 100, 1_000, 10_000];
/** supervisord takes a minute to start so many, and does not get ready in two with ten times as many. */
const MOST_REAL_PROGRAMS = 1_000;
const NOT_MEASURED = '';
const PAUSE_GOALS_MS: ReadonlyMap<number, number> = new Map([
  [1_000, 10],
  [10_000, 20],
]);

interface Outcome {
  readonly programs: number;
  readonly simulated: Simulated;
  readonly real: Measured | undefined;
}

interface Row {
  readonly what: string;
  readonly cell: (outcome: Outcome) => string;
}

const options = readOptions({ most: 10_000, times: 3, lives: 2, rounds: 3 });

const ROWS: readonly Row[] = [
  real('scrape, ms', ({ scrape }) => scrape.ms),
  real('scrape: CPU of supervisord, ms', ({ scrape }) => scrape.supervisordMs),
  real('node_exporter: scrape, ms', ({ peerScrape }) => peerScrape.ms),
  real('node_exporter: CPU of supervisord, ms', ({ peerScrape }) => peerScrape.supervisordMs),
  real('resident memory, MB', ({ residentMb }) => residentMb),
  real('node_exporter: resident memory, MB', ({ peerResidentMb }) => peerResidentMb),
  real('resync, ms', ({ resyncMs }) => resyncMs),
  real('resync: CPU of supervisord, ms', ({ resync }) => resync.supervisordMs),
  real('settings, ms', ({ settings }) => settings.ms),
  real('settings: CPU of supervisord, ms', ({ settings }) => settings.supervisordMs),
  simulated('reading a snapshot, ms', ({ readMs }) => readMs),
  simulated('scrape behind 20 restarts, ms', ({ scrapeMs }) => scrapeMs),
  simulated('scrape behind a resync, ms', ({ fullScrapeMs }) => fullScrapeMs),
  simulated('resident memory, MB', ({ residentMb }) => residentMb),
  simulated('acknowledgement in a storm, median ms', ({ storm }) => storm.median, 2),
  simulated('acknowledgement in a storm, p99 ms', ({ storm }) => storm.p99, 2),
  pause('nothing', 'while idle'),
  pause('firstSnapshot', 'at the first snapshot'),
  pause('settings', 'at the settings'),
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
  console.log(
    'Simulated: supervisord is played, and none of the programs is there. All else is real.',
  );
  console.log('Pauses: the median of the longest of each time, and the longest of all.\n');
  console.log(`${formatTable(rows)}\n\n${formatMarkdown(rows)}\n`);
  console.log(formatGoals(outcomes.flatMap(goalsOf)));
});

function real(what: string, read: (measured: Measured) => number): Row {
  return { what, cell: ({ real }) => (real ? read(real).toFixed(1) : NOT_MEASURED) };
}

function simulated(what: string, read: (outcome: Simulated) => number, digits = 1): Row {
  return { what: `simulated: ${what}`, cell: ({ simulated }) => read(simulated).toFixed(digits) };
}

function pause(when: keyof Pauses, what: string): Row {
  return {
    what: `simulated: pause ${what}, ms`,
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
