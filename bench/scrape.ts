/** `npm run bench scrape`: a scrape with many processes, against node_exporter's supervisord collector. */

import { PROGRAM } from '../test/support/exporter.ts';
import { freePort } from '../test/support/ports.ts';
import { atEnd, cleaningUp, temporaryFolder } from './clean-up.ts';
import { startNodeExporter } from './node-exporter.ts';
import { failUsage, readOptions } from './options.ts';
import { atRest, type CpuMeasurement, measureCpu } from './proc.ts';
import { progress } from './progress.ts';
import { atMost, formatTable, reportGoals } from './report.ts';
import { metricsReaderAt, type Scrape, Scraper, samplesOf } from './scraper.ts';
import { mean, type Summary, summarize } from './statistics.ts';
import { allStarted, sleeperSections, startSupervisord } from './supervisord.ts';

const SPEED_GOAL = 50;
/** supervisord's own work during a scrape can look like this much CPU time. */
const NO_CPU_MS = 2;

const WARM_UP_SCRAPES = 10;

interface Target {
  readonly name: string;
  readonly scraper: Scraper;
  /** The metric of which each process has one series. */
  readonly up: string;
  readonly measurements: CpuMeasurement<Scrape>[];
}

interface Outcome {
  readonly name: string;
  readonly ms: Summary;
  /** CPU time that supervisord used per scrape. */
  readonly supervisordMs: number;
  readonly series: number;
  readonly bytes: number;
}

const counts = readOptions({ processes: 1_000, groups: 1, scrapes: 30 });
if (counts.groups > counts.processes) failUsage('--groups: more groups than processes');
/** The exporter is a process of supervisord, too. */
const processes = counts.processes + 1;

await cleaningUp(10, async () => {
  const ports = { rpc: await freePort(), exporter: await freePort(), peer: await freePort() };
  const exporter = target('supervisor-exporter', ports.exporter, 'supervisord_up');
  const peer = target('node_exporter', ports.peer, 'node_supervisord_up');

  console.error(`starting supervisord with ${counts.processes} processes`);
  const supervisord = startSupervisord({
    dir: temporaryFolder(),
    exporter: PROGRAM,
    // node_exporter's collector has nothing comparable; the bench `resources` measures it.
    flags: ['--no-collector.resources'],
    ports,
    processes: counts.processes,
    sections: sleeperSections(counts.processes, counts.groups),
  });
  startNodeExporter(ports.peer, ports.rpc);
  const metrics = metricsReaderAt(ports.exporter);
  atEnd(() => metrics.close());
  await allStarted(supervisord, metrics, counts.processes);

  console.error('measuring');
  for (const { scraper } of [exporter, peer]) await warmUp(scraper);
  for (let scrape = 0; scrape < counts.scrapes; scrape++) {
    progress(`scrape ${scrape + 1} of ${counts.scrapes}`);
    for (const { scraper, measurements } of [exporter, peer]) {
      await atRest(supervisord.pid);
      measurements.push(await measureCpu(supervisord.pid, () => scraper.scrape()));
    }
  }
  report(outcomeOf(exporter), outcomeOf(peer));
});

function target(name: string, port: number, up: string): Target {
  const scraper = new Scraper(`http://127.0.0.1:${port}/metrics`);
  atEnd(() => scraper.close());
  return { name, scraper, up, measurements: [] };
}

async function warmUp(scraper: Scraper): Promise<void> {
  for (let scrape = 0; scrape < WARM_UP_SCRAPES; scrape++) await scraper.scrape();
}

function outcomeOf({ name, up, measurements }: Target): Outcome {
  const scrapes = measurements.map(({ result }) => {
    const samples = samplesOf(result);
    const ups = samples.filter((line) => line.startsWith(`${up}{`)).length;
    if (ups !== processes) throw new Error(`${name} shows ${ups} processes, not ${processes}`);
    return { ms: result.ms, series: samples.length, bytes: result.body.length };
  });
  return {
    name,
    ms: summarize(scrapes.map(({ ms }) => ms)),
    supervisordMs: mean(measurements.map(({ cpuMs }) => cpuMs)),
    series: scrapes.at(-1)?.series ?? 0,
    bytes: scrapes.at(-1)?.bytes ?? 0,
  };
}

function report(exporter: Outcome, peer: Outcome): void {
  const rows = [exporter, peer].map(({ name, ms, supervisordMs, series, bytes }) => [
    name,
    ms.median.toFixed(1),
    ms.p99.toFixed(1),
    ms.max.toFixed(1),
    supervisordMs.toFixed(1),
    String(series),
    String(bytes),
  ]);
  const head = ['', 'median ms', 'p99 ms', 'max ms', 'supervisord CPU ms', 'series', 'gzip bytes'];
  const ratio = peer.ms.median / exporter.ms.median;
  console.log(
    `${counts.scrapes} scrapes of each, alternating, with ${counts.processes} processes in ${counts.groups} group(s).\n`,
  );
  console.log(formatTable([head, ...rows]));
  const ms = (value: number) => `${value.toFixed(1)} ms`;
  reportGoals([
    {
      what: `scrape of ${counts.processes.toLocaleString('en')} processes, median`,
      against: `node_exporter: ${ms(peer.ms.median)}`,
      value: `${ms(exporter.ms.median)}, ${ratio.toFixed(1)} times faster`,
      goal: `${SPEED_GOAL} times faster`,
      isReached: ratio >= SPEED_GOAL,
    },
    atMost(
      'CPU time of supervisord for a scrape',
      exporter.supervisordMs,
      NO_CPU_MS,
      ms,
      `node_exporter: ${ms(peer.supervisordMs)}`,
    ),
  ]);
}
