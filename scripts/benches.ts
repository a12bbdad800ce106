/** The benches: what each measures and needs, and its figures in the table of `npm run bench`. */

import { formatMarkdown } from '../bench/report.ts';
import type { SystemPackage } from './setup.ts';

export interface Bench {
  readonly about: string;
  readonly against: string;
  readonly packages: readonly SystemPackage[];
  /** Its part in `npm run bench`, if it has one. */
  readonly inAll?: {
    readonly options: readonly string[];
    /** The names of its goals that are rows of the table of figures. */
    readonly figures: readonly string[];
  };
}

export const BENCHES: Readonly<Record<string, Bench>> = {
  footprint: {
    about: 'time from start to READY, and resident memory',
    against: 'a bare node process',
    packages: [],
    inAll: {
      options: ['--starts=30', '--rounds=2'],
      figures: [
        'start to READY, median',
        'resident memory after 20,000 events',
        'resident memory after the last round',
      ],
    },
  },
  'round-trip': {
    about: 'latency from an event to its acknowledgement',
    against: 'a C program that acknowledges unread',
    packages: ['gcc', 'libc6-dev', 'python3'],
    inAll: {
      options: ['--blocks=5'],
      figures: [
        'event to acknowledgement, back to back: median',
        'event to acknowledgement, back to back: p99',
        'event to acknowledgement, back to back, scraped: p99',
        'event to acknowledgement, at random moments, scraped: p99',
      ],
    },
  },
  scrape: {
    about: 'a scrape with 1,000 processes, and its cost for supervisord',
    against: "node_exporter's supervisord collector",
    packages: ['supervisor', 'prometheus-node-exporter'],
    inAll: {
      options: ['--scrapes=20'],
      figures: ['scrape of 1,000 processes, median', 'CPU time of supervisord for a scrape'],
    },
  },
  resources: {
    about: 'a scrape with the resource usage of 500 processes, and acknowledgements meanwhile',
    against: 'process-exporter',
    packages: ['supervisor', 'prometheus-process-exporter', 'python3'],
    inAll: {
      options: ['--scrapes=20'],
      figures: [
        'scrape of 500 processes with resources, median',
        'the same with --collector.resources.io',
        'event to acknowledgement, while 500 processes are read: p99',
      ],
    },
  },
  nudge: {
    about: 'latency from the SIGKILL of a process to its exit on /metrics, and idle CPU',
    against: 'supervisord by itself: up to 1 s',
    packages: ['supervisor'],
    inAll: {
      options: ['--trials=16', '--idle=20'],
      figures: [
        'SIGKILL to the exit on /metrics, 10 processes: median',
        'SIGKILL to the exit on /metrics, 10 processes: worst',
        'SIGKILL to the exit on /metrics, 800 processes: median',
        'SIGKILL to the exit on /metrics, 800 processes: worst',
        'SIGKILL to the exit on /metrics, a child holds the pipes: worst',
        'SIGKILL to the exit on /metrics, 8 at once: worst',
        'idle CPU, 10 processes',
        'idle CPU, 800 processes',
      ],
    },
  },
  alert: {
    about: "latency from the SIGKILL of a process to Alertmanager's webhook",
    against: 'an exporter that polls: over 60 s or never',
    packages: ['supervisor', 'prometheus', 'prometheus-alertmanager', 'python3'],
    inAll: {
      options: ['--pushed=24', '--trials=20', '--servers=1', '--polled=5'],
      figures: [
        'SIGKILL to the webhook, pushed, one at a time: median',
        'SIGKILL to the webhook, pushed, one at a time: p99',
        'SIGKILL to the webhook, pushed, one at a time: with the right reason',
        'SIGKILL to the webhook, pushed, 8 at once: with the right reason',
        'SIGKILL to the webhook, pushed, right after a rotation: with the right reason',
        'SIGKILL to the webhook, shipped rules, 1 s scrape and evaluation: worst',
      ],
    },
  },
  attack: {
    about: 'acknowledgements and memory while clients without a password attack the web server',
    against: 'itself without clients',
    packages: ['openssl'],
    inAll: {
      options: ['--seconds=2'],
      figures: ['event to acknowledgement, while attacked: worst'],
    },
  },
  soak: {
    about: 'exact counts and constant memory under load for minutes or hours',
    against: "supervisord's log",
    packages: ['supervisor', 'python3'],
    inAll: {
      options: ['--minutes=1', '--rejecting'],
      figures: [
        'storm: processes whose counts differ',
        'storm: processes shown in a wrong state',
        'storm: events lost',
        'storm: states corrected',
      ],
    },
  },
  disturbances: {
    about: 'exact counts while the exporter, supervisord or the machine is disturbed',
    against: "supervisord's log",
    packages: ['faketime', 'openssl', 'supervisor'],
    inAll: {
      // The exporter is killed, and frozen.
      options: ['--from=2', '--to=3', '--seconds=5'],
      figures: [
        'counts of a storm while the exporter is killed by SIGKILL',
        'counts of a storm while the exporter is frozen for 3 s',
      ],
    },
  },
  reasons: {
    about: 'whether stated exit reasons are true, and how many are known',
    against: 'wait statuses that the kernel reported to supervisord',
    packages: ['supervisor'],
  },
  'unit-tests': {
    about: 'duration of the unit tests',
    against: '',
    packages: [],
    inAll: { options: [], figures: ['duration of the unit tests'] },
  },
  growth: {
    about: 'scrapes, resyncs, memory and event loop pauses with 10 to 10,000 processes',
    against: "node_exporter's supervisord collector",
    packages: ['supervisor', 'prometheus-node-exporter'],
  },
  thousands: {
    about: 'resync, settings, scrape, page and exits of a real supervisord with 5,000 processes',
    against: '2,000 processes',
    packages: ['supervisor'],
  },
  page: {
    about:
      'acknowledgements while the page is requested and followed, its memory, and a real browser',
    against: 'itself while it is not looked at',
    packages: ['chromium'],
  },
  'up-time': {
    about: 'seconds up over 1,000 crash cycles',
    against: "supervisord's log",
    packages: ['supervisor'],
  },
  'long-run': {
    about: 'memory over a million events of programs that come and go',
    against: 'itself after 100,000 events',
    packages: [],
  },
};

/** The table in bench/README.md. */
export function benchTable(): string {
  const rows = Object.entries(BENCHES).map(([name, { about, against }]) => [
    `\`npm run bench ${name}\``,
    about,
    against,
  ]);
  return formatMarkdown([['command', 'measures', 'compares with'], ...rows], 3);
}
