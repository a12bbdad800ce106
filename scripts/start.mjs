/**
 * `npm start [-- FLAGS]`: a demo supervisord in the foreground, with the exporter as its
 * event listener on port 9876. With --with-prometheus it also runs a Prometheus and an
 * Alertmanager as they are shipped, and each alert is a line on the terminal. The other
 * flags are the exporter's.
 */

import { spawn } from 'node:child_process';
import { createReadStream, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { fail, needNpmPackages, needSystemPackages, run } from './setup.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const WITH_PROMETHEUS = '--with-prometheus';

/** As the files of prometheus-rules/ have them. */
const SHIPPED_PORTS = { exporter: 9876, Prometheus: 9090, Alertmanager: 9093, webhook: 9095 };

/** Labels as Prometheus gives them to its target, so that both ways bring the same alert. */
const PUSH_FLAGS = [
  `--alertmanager.url=http://127.0.0.1:${SHIPPED_PORTS.Alertmanager}`,
  `--alertmanager.label=instance=localhost:${SHIPPED_PORTS.exporter}`,
];

const withPrometheus = process.argv.includes(WITH_PROMETHEUS);
const ownFlags = process.argv.slice(2).filter((flag) => flag !== WITH_PROMETHEUS);
const flags = withPrometheus ? [...PUSH_FLAGS, ...ownFlags] : ownFlags;
const port = Number(/--web\.listen-address[= ]\S*:(\d+)/.exec(ownFlags.join(' '))?.[1] ?? 9876);

needSystemPackages({
  supervisor: ['supervisord', '--version'],
  ...(withPrometheus && {
    prometheus: ['prometheus', '--version'],
    'prometheus-alertmanager': ['prometheus-alertmanager', '--version'],
  }),
});
needNpmPackages();
run(process.execPath, ['scripts/build.mjs']);

await needPorts();
const webhook = withPrometheus ? await receiveAlerts() : undefined;
const dir = mkdtempSync(join(tmpdir(), 'supervisor-exporter-demo-'));
console.error(greeting());

const supervisord = spawn('supervisord', ['-c', join(root, 'supervisor/demo.conf')], {
  // A group of its own: the terminal's Ctrl-C would otherwise also reach the programs,
  // and supervisord would restart them while it is asked to end them.
  detached: true,
  stdio: ['ignore', 'inherit', 'inherit'],
  env: {
    ...process.env,
    DEMO_DIR: dir,
    DEMO_EXPORTER: [process.execPath, join(root, 'dist/supervisor-exporter.cjs'), ...flags].join(
      ' ',
    ),
    DEMO_INCLUDE: withPrometheus ? 'demo-prometheus.conf' : '',
    DEMO_RULES: join(root, 'prometheus-rules'),
  },
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
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

function greeting() {
  const lines = [
    '',
    'A demo supervisord with the exporter; end everything with Ctrl-C.',
    '',
    `  the page       http://localhost:${port}/`,
    `  metrics        http://localhost:${port}/metrics`,
    `  look and play  supervisorctl -s unix://${dir}/supervisor.sock status`,
    `                 supervisorctl -s unix://${dir}/supervisor.sock restart web`,
  ];
  if (withPrometheus) {
    lines.push(
      `  Prometheus     http://localhost:${SHIPPED_PORTS.Prometheus}/alerts`,
      `  Alertmanager   http://localhost:${SHIPPED_PORTS.Alertmanager}/#/alerts`,
      `  an alert       kill -9 $(supervisorctl -s unix://${dir}/supervisor.sock pid web)`,
      '',
      'Each alert that Alertmanager notifies of is a line that begins with ALERT.',
    );
  }
  return [...lines, ''].join('\n');
}

/** Ends the program if a port that is needed is taken. */
async function needPorts() {
  if (withPrometheus && port !== SHIPPED_PORTS.exporter) {
    fail(
      `${WITH_PROMETHEUS}: prometheus.yml scrapes port 9876, and the exporter would be on ${port}`,
    );
  }
  const wanted = withPrometheus ? SHIPPED_PORTS : { exporter: port };
  const taken = [];
  for (const [who, number] of Object.entries(wanted)) {
    if (await isTaken(number)) taken.push(`port ${number} (${who})`);
  }
  if (taken.length === 0) return;
  const hint = withPrometheus
    ? "Debian's own are ended with: systemctl stop prometheus prometheus-alertmanager"
    : 'Another one for the exporter: npm start -- --web.listen-address=:PORT';
  fail(`taken by another program: ${taken.join(', ')}. ${hint}`);
}

/** Other reasons why it can't be had are left to whoever wants it, who says them. */
function isTaken(number) {
  return new Promise((resolve) => {
    const server = createTcpServer();
    server.once('error', (error) => resolve(error.code === 'EADDRINUSE'));
    server.listen(number, () => server.close(() => resolve(false)));
  });
}

/** The receiver of the shipped alertmanager.yml. */
function receiveAlerts() {
  const server = createServer(async (request, response) => {
    const notification = await json(request).catch(() => ({}));
    for (const alert of notification.alerts ?? []) console.error(lineOf(alert));
    response.end();
  });
  return new Promise((resolve) => {
    server.listen(SHIPPED_PORTS.webhook, '127.0.0.1', () => resolve(server));
  });
}

function lineOf({ status, labels, annotations }) {
  const now = new Date();
  // The local time, like supervisord's.
  const time = `${now.toTimeString().slice(0, 8)},${String(now.getMilliseconds()).padStart(3, '0')}`;
  // The first sentence says what happened, to whom and why; the others, what to do.
  const [what] = annotations.description.split(/(?<=\.) /);
  return `ALERT ${time} ${status.padEnd(8)} ${labels.alertname}: ${what}`;
}

/** Shows what is added to a log, like `tail -F`: the exporter's stderr belongs to supervisord. */
function followLog(path) {
  let shown = 0;
  return setInterval(() => {
    if (!existsSync(path)) return;
    createReadStream(path, { start: shown }).on('data', (chunk) => {
      shown += chunk.length;
      process.stderr.write(chunk);
    });
  }, 300);
}
