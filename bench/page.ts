/** `npm run bench page`: memory and time that the page costs, in the exporter and in a browser. */

import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import type { CDPSession } from 'playwright-core';
import { ProcessTable } from '../src/processes/table.ts';
import { Histories } from '../src/web/page/history.ts';
import { launchBrowser, visit } from '../test/support/browser.ts';
import { eventually } from '../test/support/deadline.ts';
import { ACKNOWLEDGED, RunningExporter } from '../test/support/exporter.ts';
import { event } from '../test/support/facts.ts';
import { step } from '../test/support/wire.ts';
import { atEnd, cleaningUp } from './clean-up.ts';
import { readOptions } from './options.ts';
import { atMost, formatTable, reportGoals } from './report.ts';
import { type Summary, summarize } from './statistics.ts';

/** Of one core, for the browser's main thread during a storm. */
const BROWSER_GOAL = 0.1;
/** DESIGN, section 7: an acknowledgement while a client makes requests. */
const P99_GOAL_MS = 5;
const WORST_GOAL_MS = 250;

const counts = readOptions({ processes: 1_000, seconds: 10, events: 5_000 });

/** The transitions of a process that is restarted after a crash. */
const CRASH = [
  ['RUNNING>EXITED', 'expected:0 pid:4194304'],
  ['EXITED>STARTING', 'tries:0'],
  ['STARTING>RUNNING', 'pid:4194304'],
] as const;

async function main(): Promise<void> {
  const memory = measureMemory();
  const exporter = new RunningExporter(['--web.listen-address=127.0.0.1:0'], {});
  atEnd(() => exporter.child.kill('SIGKILL'));
  await exporter.ready();
  const storm = new Storm(exporter);
  await storm.startAll();
  await measureDocument(exporter);

  console.error('measuring without clients');
  const alone = await storm.run(counts.events);
  const path = (text: string) => exporter.url(text);
  const rows: (readonly [string, Summary])[] = [['no client', alone]];
  for (const url of ['/?flat=1', '/', '/-/programs?format=json']) {
    console.error(`measuring while ${url} is requested`);
    rows.push([`requests for ${url}`, await requesting(path(url), () => storm.run(counts.events))]);
  }
  const shares: (readonly [string, number])[] = [];
  for (const url of ['/?flat=1', '/']) {
    console.error(`measuring while a browser follows ${url}`);
    const { share, latencies } = await inBrowser(path(url), storm);
    shares.push([url, share]);
    rows.push([`a browser follows ${url}`, latencies]);
  }
  report(memory, rows, shares);
}

interface Memory {
  readonly quiet: number;
  readonly flapping: number;
}

/** Bytes that the page keeps of a process that runs, and of one that has crashed all the time. */
function measureMemory(): Memory {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const table = new ProcessTable();
  const histories = new Histories();
  const follow = (serial: number, name: string, transition: string, at: number) => {
    const more = transition.endsWith('EXITED') ? { expected: false, pid: 7 } : { tries: 0 };
    for (const change of table.apply(event(serial, name, transition, more), at)) {
      histories.handle(change, at);
    }
  };
  const heap = () => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  let serial = 0;
  const measure = (transitions: (name: string) => void) => {
    const names = Array.from({ length: counts.processes }, (_, index) => `p-${serial}-${index}`);
    // The table keeps the processes in both cases; only the second time with their past.
    const before = heap();
    for (const name of names) transitions(name);
    const after = heap();
    for (const name of names) {
      for (const change of table.removeGroup(name, serial)) histories.handle({ ...change }, 0);
    }
    return (after - before) / names.length;
  };
  const quiet = measure((name) => follow(serial++, name, 'STARTING>RUNNING', 1_000));
  const flapping = measure((name) => {
    for (let at = 0; at < 3_600; at += 9) {
      for (const [transition] of CRASH) follow(serial++, name, transition, 1_000 + at);
    }
  });
  return { quiet, flapping };
}

/** supervisord's part: crashes one process after the other. */
class Storm {
  readonly #exporter: RunningExporter;
  #serial = 0;

  constructor(exporter: RunningExporter) {
    this.#exporter = exporter;
  }

  async startAll(): Promise<void> {
    for (let index = 0; index < counts.processes; index++) {
      await this.#send(nameOf(index), 'STARTING>RUNNING', 'pid:4194304');
    }
  }

  /** Sends events at an even pace until there were `events`, or for as long as `isOver` is false. */
  async run(events: number, eventsPerSecond = 1_000, isOver = () => false): Promise<Summary> {
    const latencies: number[] = [];
    const began = performance.now();
    for (let sent = 0; sent < events && !isOver(); sent++) {
      const [transition, more] = CRASH[sent % CRASH.length] ?? CRASH[0];
      const index = Math.floor(sent / CRASH.length) % counts.processes;
      latencies.push(await this.#send(nameOf(index), transition, more));
      const ahead = began + (sent * 1_000) / eventsPerSecond - performance.now();
      if (ahead > 1) await sleep(ahead);
    }
    return summarize(latencies);
  }

  /** Resolves to the milliseconds until the event was acknowledged. */
  #send(name: string, transition: string, more: string): Promise<number> {
    const { stdin, stdout } = this.#exporter.child;
    return new Promise((resolve, reject) => {
      const began = performance.now();
      stdout.once('data', (answer: string) => {
        if (answer.endsWith(ACKNOWLEDGED)) resolve(performance.now() - began);
        else reject(new Error(`answered ${JSON.stringify(answer)}`));
      });
      stdin.write(step(this.#serial++, name, transition, more));
    });
  }
}

/** Half of the processes are in one group. */
function nameOf(index: number): string {
  return index % 2 === 0 ? `queue:queue-${index}` : `program-${index}:program-${index}`;
}

async function measureDocument(exporter: RunningExporter): Promise<void> {
  for (const path of ['/', '/?flat=1']) {
    const began = performance.now();
    const html = await (await fetch(exporter.url(path))).text();
    const ms = performance.now() - began;
    const gzipped = gzipSync(html, { level: 1 }).length;
    console.log(`${path}: ${html.length} bytes, ${gzipped} gzipped, ${ms.toFixed(0)} ms`);
  }
}

/** Requests without a pause, four at once, as long as `body` runs. */
async function requesting(url: string, body: () => Promise<Summary>): Promise<Summary> {
  let isOver = false;
  const clients = Array.from({ length: 4 }, async () => {
    while (!isOver) await (await fetch(url)).arrayBuffer();
  });
  const summary = await body();
  isOver = true;
  await Promise.all(clients);
  return summary;
}

interface InBrowser {
  /** CPU time of the main thread in a second. */
  readonly share: number;
  readonly latencies: Summary;
}

async function inBrowser(url: string, storm: Storm): Promise<InBrowser> {
  const browser = await launchBrowser();
  let result: InBrowser | undefined;
  try {
    await visit(browser, url, { viewport: { width: 1280, height: 800 } }, async ({ page }) => {
      await eventually(20_000, async () => {
        const text = await page.locator('#live').innerText();
        if (!text.startsWith('Live')) throw new Error(text);
      });
      const session = await page.context().newCDPSession(page);
      await session.send('Performance.enable', { timeDomain: 'threadTicks' });
      let isOver = false;
      const storming = storm.run(Number.POSITIVE_INFINITY, 1_000, () => isOver);
      await sleep(2_000);
      const before = await busySeconds(session);
      const began = performance.now();
      await sleep(counts.seconds * 1_000);
      const busy = (await busySeconds(session)) - before;
      const share = busy / ((performance.now() - began) / 1_000);
      isOver = true;
      result = { share, latencies: await storming };
    });
  } finally {
    await browser.close();
  }
  if (result === undefined) throw new Error('not measured');
  return result;
}

/** CPU time of all tasks on the main thread: script, style, layout and paint. */
async function busySeconds(session: CDPSession): Promise<number> {
  const { metrics } = await session.send('Performance.getMetrics');
  return metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN;
}

function report(
  { quiet, flapping }: Memory,
  rows: readonly (readonly [string, Summary])[],
  shares: readonly (readonly [string, number])[],
): void {
  console.log(`
bytes of a process, its record in the table included: ${quiet.toFixed(0)} while it runs, ${flapping.toFixed(0)} after an hour of crashes
`);
  const head = ['acknowledgement', 'median ms', 'p99 ms', 'max ms'];
  const lines = rows.map(([what, { median, p99, max }]) => [
    what,
    median.toFixed(2),
    p99.toFixed(2),
    max.toFixed(1),
  ]);
  console.log(formatTable([head, ...lines]));
  reportGoals([
    ...shares.map(([url, share]) =>
      atMost(
        `main thread of a browser that follows ${url}`,
        share,
        BROWSER_GOAL,
        (part) => `${(part * 100).toFixed(1)} % of a core`,
      ),
    ),
    ...rows.slice(1).map(([what, { p99, max }]) => ({
      what: `event to acknowledgement, ${what}`,
      value: `p99 ${p99.toFixed(2)} ms, max ${max.toFixed(1)} ms`,
      goal: `p99 ${P99_GOAL_MS} ms while followed, max ${WORST_GOAL_MS} ms always`,
      isReached: (p99 <= P99_GOAL_MS || what.startsWith('requests')) && max <= WORST_GOAL_MS,
    })),
  ]);
}

await cleaningUp(10 + counts.seconds / 10, main);
