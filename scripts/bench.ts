/** `npm run bench [NAME [-- OPTIONS]]`: prepares and runs one bench, or lists them. */

import { spawn } from 'node:child_process';
import { build, needSystemPackages, ROOT, type SystemPackage } from './setup.ts';

interface Bench {
  readonly about: string;
  readonly packages: readonly SystemPackage[];
}

const BENCHES: Readonly<Record<string, Bench>> = {
  'round-trip': {
    about: 'latency from an event to its acknowledgement, against a C program that does not parse',
    packages: ['gcc', 'libc6-dev', 'python3'],
  },
  scrape: {
    about: "a scrape with 1,000 processes, against node_exporter's supervisord collector",
    packages: ['supervisor', 'prometheus-node-exporter'],
  },
  growth: {
    about: 'scrapes, resyncs, memory and pauses with 10 to 10,000 processes, against node_exporter',
    packages: ['supervisor', 'prometheus-node-exporter'],
  },
  resources: {
    about: 'a scrape with the resource usage of 500 processes, against process-exporter',
    packages: ['supervisor', 'prometheus-process-exporter', 'python3'],
  },
  page: {
    about: 'the page with 1,000 processes in a storm: acknowledgements, memory, and a real browser',
    packages: ['chromium'],
  },
  footprint: {
    about: 'start to READY and resident memory, against a bare node process',
    packages: [],
  },
  nudge: {
    about: 'latency from a SIGKILL to the exit on /metrics, with and without the nudge',
    packages: ['supervisor'],
  },
  alert: {
    about: "latency from a SIGKILL to Alertmanager's webhook, against an exporter that polls",
    packages: ['supervisor', 'prometheus', 'prometheus-alertmanager', 'python3'],
  },
  'up-time': {
    about: "seconds up over 1,000 crash cycles, against supervisord's log",
    packages: ['supervisor'],
  },
  'long-run': {
    about: 'memory over a million events of programs that come and go',
    packages: [],
  },
  thousands: {
    about: 'a real supervisord with thousands of processes: boot, snapshot, scrape, page, exits',
    packages: ['supervisor'],
  },
  disturbances: {
    about: 'exact counts while the exporter, supervisord or the machine is disturbed',
    packages: ['faketime', 'openssl', 'supervisor'],
  },
  attack: {
    about: 'acknowledgements and memory while clients without a password attack the web server',
    packages: ['openssl'],
  },
  soak: {
    about:
      "exact counts and constant memory under load for minutes or hours, against supervisord's log",
    packages: ['supervisor', 'python3'],
  },
};

const [name, ...options] = process.argv.slice(2);
const bench = name === undefined ? undefined : BENCHES[name];
if (name === undefined) {
  console.log(list());
} else if (bench === undefined) {
  console.error(`there is no bench ${JSON.stringify(name)}; there are:\n${list()}`);
  process.exitCode = 2;
} else {
  runBench(name, bench);
}

function list(): string {
  const width = Math.max(...Object.keys(BENCHES).map((key) => key.length));
  return Object.entries(BENCHES)
    .map(([key, { about }]) => `npm run bench ${key.padEnd(width)}   ${about}`)
    .join('\n');
}

function runBench(file: string, { packages }: Bench): void {
  needSystemPackages(packages);
  build();
  const child = spawn(process.execPath, ['--import', 'tsx', `bench/${file}.ts`, ...options], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    // The bench cleans up and exits, and so does this process.
    process.on(signal, () => child.kill(signal));
  }
  child.on('close', (code) => {
    process.exitCode = code ?? 1;
  });
}
