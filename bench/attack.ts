/** `npm run bench attack`: the longest acknowledgement while clients without a password attack the web server. */

import { readFileSync, writeFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { hashSync } from 'bcryptjs';
import { makeCertificate } from '../test/support/certificates.ts';
import { RunningExporter } from '../test/support/exporter.ts';
import { atEnd, cleaningUp, temporaryFolder } from './clean-up.ts';
import { readOptions } from './options.ts';
import { residentBytes } from './proc.ts';
import { progress } from './progress.ts';
import { atMost, formatTable, reportGoals } from './report.ts';
import { Dialogue } from './simulation.ts';
import { summarize } from './statistics.ts';

const GOAL_MS = 250;
const PROBE_EVERY_MS = 2;
const SETTLE_MS = 500;
const MB = 2 ** 20;

type Scheme = 'http' | 'https';

interface Attack {
  readonly name: string;
  readonly path: string;
  readonly connections: number;
  /** Pipelined on each connection. */
  readonly requests: number;
  /** The connections are reset once the requests have been sent, so many times. */
  readonly resets?: number;
}

const counts = readOptions({ programs: 1_000, seconds: 5 });
const ATTACKS: readonly Attack[] = [
  { name: 'nothing', path: '/', connections: 0, requests: 0 },
  { name: '2,000 GET /metrics on 1 connection', path: '/metrics', connections: 1, requests: 2_000 },
  { name: '20,000 GET /x on 1 connection', path: '/x', connections: 1, requests: 20_000 },
  { name: '200 GET /x on 200 connections', path: '/x', connections: 200, requests: 200 },
  { name: '1 GET /metrics on 500 connections', path: '/metrics', connections: 500, requests: 1 },
  { name: '1 GET / on 200 connections', path: '/', connections: 200, requests: 1 },
  {
    name: '20 GET /-/programs on 500 connections',
    path: '/-/programs?format=json',
    connections: 500,
    requests: 20,
  },
  {
    name: '30 GET /metrics, reset, 18 times',
    path: '/metrics',
    connections: 1,
    requests: 30,
    resets: 18,
  },
];
const VARIANTS: readonly (readonly [scheme: Scheme, hasPassword: boolean])[] = [
  ['http', false],
  ['http', true],
  ['https', false],
  ['https', true],
];

await cleaningUp(10 + counts.seconds, async () => {
  const rows = [
    [
      'milliseconds to an acknowledgement',
      'events',
      'median',
      'p99',
      'max',
      'MB before',
      'MB after',
    ],
  ];
  let alone = 0;
  let attacked = 0;
  for (const [scheme, hasPassword] of VARIANTS) {
    for (const attack of ATTACKS) {
      const name = `${scheme}${hasPassword ? ', 401' : ''}: ${attack.name}`;
      progress(name);
      const { latencies, before, after } = await measure(attack, scheme, hasPassword);
      const { median, p99, max } = summarize(latencies);
      if (attack.connections === 0) alone = Math.max(alone, max);
      else attacked = Math.max(attacked, max);
      rows.push([
        name,
        String(latencies.length),
        ...[median, p99, max].map((value) => value.toFixed(1)),
        ...[before, after].map((bytes) => (bytes / MB).toFixed(0)),
      ]);
    }
  }
  console.log(`${counts.programs} processes, ${counts.seconds} s of each attack.\n`);
  console.log(formatTable(rows));
  reportGoals([
    atMost(
      'event to acknowledgement, while attacked: worst',
      attacked,
      GOAL_MS,
      ms,
      `without clients: ${ms(alone)}`,
    ),
  ]);
});

function ms(value: number): string {
  return `${value.toFixed(0)} ms`;
}

async function measure(attack: Attack, scheme: Scheme, hasPassword: boolean) {
  const exporter = new RunningExporter(flagsOf(scheme, hasPassword), {});
  atEnd(() => exporter.child.kill('SIGKILL'));
  await exporter.ready();
  const dialogue = new Dialogue(exporter);
  for (let program = 0; program < counts.programs; program++) {
    await dialogue.restart(program, process.pid);
  }
  const before = residentBytes(exporter.child.pid ?? 0);
  const latencies: number[] = [];
  const end = performance.now() + counts.seconds * 1_000;
  const attacking = run(attack, scheme, exporter.port, end);
  while (performance.now() < end) {
    latencies.push(await dialogue.probe());
    await sleep(PROBE_EVERY_MS);
  }
  await attacking;
  await sleep(SETTLE_MS);
  const after = residentBytes(exporter.child.pid ?? 0);
  await exporter.kill();
  return { latencies, before, after };
}

function flagsOf(scheme: Scheme, hasPassword: boolean): string[] {
  const flags = ['--web.listen-address=127.0.0.1:0', '--no-collector.resources'];
  const folder = temporaryFolder();
  const lines: string[] = [];
  if (scheme === 'https') {
    makeCertificate(folder, 'server', { sans: 'IP:127.0.0.1' });
    const inline = (name: string) => JSON.stringify(readFileSync(join(folder, name), 'utf8'));
    lines.push(
      'tls_server_config:',
      `  cert: ${inline('server.pem')}`,
      `  key: ${inline('server.key')}`,
    );
  }
  if (hasPassword) lines.push('basic_auth_users:', `  u: ${hashSync('p', 10)}`);
  if (lines.length === 0) return flags;
  const file = join(folder, 'web.yml');
  writeFileSync(file, `${lines.join('\n')}\n`);
  return [...flags, `--web.config.file=${file}`];
}

async function run(attack: Attack, scheme: Scheme, port: number, end: number): Promise<void> {
  const text = `GET ${attack.path} HTTP/1.1\r\nHost: a\r\n\r\n`.repeat(attack.requests);
  const rounds = attack.resets ?? 1;
  const sockets: Socket[] = [];
  for (let round = 0; round < rounds; round++) {
    for (let number = 0; number < attack.connections; number++)
      sockets.push(open(scheme, port, text));
    await sleep(attack.resets === undefined ? end - performance.now() : 100);
    for (const socket of sockets) socket.destroy();
  }
}

function open(scheme: Scheme, port: number, text: string): Socket {
  const options = { port, host: '127.0.0.1', rejectUnauthorized: false };
  const write = () => socket.write(text);
  const socket: Socket =
    scheme === 'http' ? connectTcp(options, write) : connectTls(options, write);
  return socket.on('error', () => {}).resume();
}
