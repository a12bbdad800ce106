/** `npm run bench [NAME [-- OPTIONS]]`: sets up, builds and runs one bench; without a name lists them. */

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { needNpmPackages, needSystemPackages, run } from './setup.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

const BENCHES = {
  'round-trip': {
    about: 'an event to its acknowledgement, against a C program that answers unread',
    packages: {
      gcc: ['cc', '--version'],
      'libc6-dev': ['cc', '-E', '-x', 'c', '-include', 'unistd.h', '/dev/null'],
      python3: ['python3', '--version'],
    },
  },
  scrape: {
    about: "a scrape with 1,000 programs, against node_exporter's supervisord collector",
    packages: {
      supervisor: ['supervisord', '--version'],
      'prometheus-node-exporter': ['prometheus-node-exporter', '--version'],
    },
  },
  growth: {
    about: 'scrapes, snapshots, memory and pauses with 10, 100, 1,000 and 10,000 programs',
    packages: {
      supervisor: ['supervisord', '--version'],
      'prometheus-node-exporter': ['prometheus-node-exporter', '--version'],
    },
  },
  resources: {
    about: 'a scrape of what 500 programs use, against process-exporter',
    packages: {
      supervisor: ['supervisord', '--version'],
      'prometheus-process-exporter': ['prometheus-process-exporter', '-version'],
      python3: ['python3', '--version'],
    },
  },
  footprint: {
    about: 'start to READY, and memory in use, against a bare node process',
    packages: {},
  },
  nudge: {
    about: 'the SIGKILL of a program to its exit on /metrics, with the nudge and without',
    packages: { supervisor: ['supervisord', '--version'] },
  },
  alert: {
    about: "the SIGKILL of a program to Alertmanager's webhook, against polling as usual",
    packages: {
      supervisor: ['supervisord', '--version'],
      prometheus: ['prometheus', '--version'],
      'prometheus-alertmanager': ['prometheus-alertmanager', '--version'],
      python3: ['python3', '--version'],
    },
  },
  attack: {
    about: 'acknowledgements and memory while clients without a password attack the web server',
    packages: { openssl: ['openssl', 'version'] },
  },
  soak: {
    about: "a storm for minutes or hours: counted against supervisord's log, and what grows",
    packages: {
      supervisor: ['supervisord', '--version'],
      python3: ['python3', '--version'],
    },
  },
};

const [name, ...options] = process.argv.slice(2);
if (name === undefined) {
  console.log(list());
} else if (Object.hasOwn(BENCHES, name)) {
  runBench(name, options);
} else {
  console.error(`there is no bench ${JSON.stringify(name)}; there are:\n${list()}`);
  process.exitCode = 2;
}

function list() {
  const names = Object.keys(BENCHES);
  const width = Math.max(...names.map((key) => key.length));
  return names
    .map((key) => `npm run bench ${key.padEnd(width)}   ${BENCHES[key].about}`)
    .join('\n');
}

function runBench(name, options) {
  needNpmPackages();
  needSystemPackages(BENCHES[name].packages);
  run(process.execPath, ['scripts/build.mjs']);
  const bench = spawn(process.execPath, ['--import', 'tsx', `bench/${name}.ts`, ...options], {
    cwd: root,
    stdio: 'inherit',
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    // It cleans up and ends, and then so do we.
    process.on(signal, () => bench.kill(signal));
  }
  bench.on('close', (code) => {
    process.exitCode = code ?? 1;
  });
}
