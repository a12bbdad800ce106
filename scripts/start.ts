/**
 * `npm start [-- FLAGS]`: a demo supervisord in the foreground, with the exporter as its
 * event listener on port 9876. With --with-prometheus it also runs a Prometheus and an
 * Alertmanager with the shipped files, and prints each alert on the terminal. The other
 * flags are the exporter's.
 */

import { spawn } from 'node:child_process';
import { createReadStream, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { build, fail, needSystemPackages, ROOT } from './setup.ts';

const WITH_PROMETHEUS = '--with-prometheus';

/** The ports in the files of prometheus-rules/. */
const SHIPPED_PORTS = { exporter: 9876, Prometheus: 9090, Alertmanager: 9093, webhook: 9095 };

/** The labels of Prometheus' target, so that pushed alerts and those of the rules are the same. */
const PUSH_FLAGS = [
  `--alertmanager.url=http://127.0.0.1:${SHIPPED_PORTS.Alertmanager}`,
  `--alertmanager.label=instance=localhost:${SHIPPED_PORTS.exporter}`,
];

const withPrometheus = process.argv.includes(WITH_PROMETHEUS);
const ownFlags = process.argv.slice(2).filter((flag) => flag !== WITH_PROMETHEUS);
const flags = withPrometheus ? [...PUSH_FLAGS, ...ownFlags] : ownFlags;
const port = Number(/--web\.listen-address[= ]\S*:(\d+)/.exec(ownFlags.join(' '))?.[1] ?? 9876);

needSystemPackages([
  'supervisor',
  ...(withPrometheus ? (['prometheus', 'prometheus-alertmanager'] as const) : []),
]);
build();

await needPorts();
const webhook = withPrometheus ? await receiveAlerts() : undefined;
const dir = mkdtempSync(join(tmpdir(), 'supervisor-exporter-demo-'));
console.error(greeting());

const supervisord = spawn('supervisord', ['-c', join(ROOT, 'supervisor/demo.conf')], {
  // In a process group of its own, so that the terminal's Ctrl-C reaches supervisord only as
  // the SIGTERM below, and not its processes, which it would restart.
  detached: true,
  stdio: ['ignore', 'inherit', 'inherit'],
  env: {
    ...process.env,
    DEMO_DIR: dir,
    DEMO_EXPORTER: [process.execPath, join(ROOT, 'dist/supervisor-exporter.cjs'), ...flags].join(
      ' ',
    ),
    DEMO_INCLUDE: withPrometheus ? 'demo-prometheus.conf' : '',
    DEMO_RULES: join(ROOT, 'prometheus-rules'),
  },
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => supervisord.kill('SIGTERM'));
}
const following = followLog(join(dir, 'exporter.log'));
supervisord.on('error', (error) => {
  console.error(`supervisord: ${error.message}`);
  process.exitCode = 1;
});
supervisord.on('close', (code) => {
  clearInterval(following);
  webhook?.close();
  webhook?.closeAllConnections();
  rmSync(dir, { recursive: true, force: true });
  process.exitCode = code ?? 1;
});

function greeting(): string {
  const lines = [
    '',
    'A demo supervisord with the exporter; stop it with Ctrl-C.',
    '',
    `  the page       http://localhost:${port}/`,
    `  metrics        http://localhost:${port}/metrics`,
    `  try            supervisorctl -s unix://${dir}/supervisor.sock status`,
    `                 supervisorctl -s unix://${dir}/supervisor.sock restart web`,
  ];
  if (withPrometheus) {
    lines.push(
      `  Prometheus     http://localhost:${SHIPPED_PORTS.Prometheus}/alerts`,
      `  Alertmanager   http://localhost:${SHIPPED_PORTS.Alertmanager}/#/alerts`,
      `  an alert       kill -9 $(supervisorctl -s unix://${dir}/supervisor.sock pid web)`,
      '',
      'Each notification of Alertmanager is a line that begins with ALERT.',
    );
  }
  return [...lines, ''].join('\n');
}

/** Ends the program if another program uses a port that the demo needs. */
async function needPorts(): Promise<void> {
  if (withPrometheus && port !== SHIPPED_PORTS.exporter) {
    fail(
      `${WITH_PROMETHEUS}: prometheus.yml scrapes port 9876, but the exporter would use ${port}`,
    );
  }
  const wanted = withPrometheus ? SHIPPED_PORTS : { exporter: port };
  const taken: string[] = [];
  for (const [who, number] of Object.entries(wanted)) {
    if (await isTaken(number)) taken.push(`port ${number} (${who})`);
  }
  if (taken.length === 0) return;
  const hint = withPrometheus
    ? "To stop Debian's own: systemctl stop prometheus prometheus-alertmanager"
    : 'To use another port: npm start -- --web.listen-address=:PORT';
  fail(`in use by another program: ${taken.join(', ')}. ${hint}`);
}

/** Other errors are left to the program that will listen on the port. */
function isTaken(number: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createTcpServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EADDRINUSE'));
    server.listen(number, () => server.close(() => resolve(false)));
  });
}

/** One alert of a notification that Alertmanager sends to a webhook. */
interface Alert {
  readonly status: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** The webhook receiver of the shipped alertmanager.yml. */
function receiveAlerts(): Promise<Server> {
  const server = createServer(async (request, response) => {
    const notification = (await json(request).catch(() => ({}))) as { alerts?: Alert[] };
    for (const alert of notification.alerts ?? []) console.error(lineOf(alert));
    response.end();
  });
  return new Promise((resolve) => {
    server.listen(SHIPPED_PORTS.webhook, '127.0.0.1', () => resolve(server));
  });
}

function lineOf({ status, labels, annotations }: Alert): string {
  const now = new Date();
  // Local time, as in supervisord's log.
  const time = `${now.toTimeString().slice(0, 8)},${String(now.getMilliseconds()).padStart(3, '0')}`;
  // The first sentence says what happened; the others say what to do.
  const [what] = (annotations['description'] ?? '').split(/(?<=\.) /);
  return `ALERT ${time} ${status.padEnd(8)} ${labels['alertname']}: ${what}`;
}

/** Prints what is appended to a log, like `tail -F`: the exporter's stderr is a file of supervisord. */
function followLog(path: string): NodeJS.Timeout {
  let shown = 0;
  return setInterval(() => {
    if (!existsSync(path)) return;
    createReadStream(path, { start: shown }).on('data', (chunk: Buffer | string) => {
      shown += chunk.length;
      process.stderr.write(chunk);
    });
  }, 300);
}
