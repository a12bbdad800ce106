import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FLAGS } from '../../src/cli/flags.ts';
import { timed, within } from '../support/deadline.ts';
import { PROGRAM } from '../support/exporter.ts';

const secrets = suite('secrets');

const SECRET = 'hUnter-2x7';

/** URLs with the password in the right and in a wrong place. */
const URLS = [
  `http://u:${SECRET}`,
  `http://u:${SECRET}@127.0.0.1:1`,
  `http://u:${SECRET}@127.0.0.1:x`,
  `unix://u:${SECRET}@/nowhere/s.sock`,
  `u:${SECRET}@h:9001`,
  `u:${SECRET}`,
  `${SECRET}@127.0.0.1:0`,
];

const VALUE_FLAGS = Object.entries(FLAGS).flatMap(([name, { type }]) =>
  type === 'string' ? [name] : [],
);

/** Each flag with each URL, and commands and misspelt flags with some. */
function commandLines(): (readonly string[])[] {
  const url = fc.constantFrom(...URLS);
  const misspelt = fc.constantFrom(
    'supervisor.ulr',
    'supervisor-url',
    'alertmanager.urls',
    'u',
    '',
  );
  const odd = fc.oneof(
    fc.tuple(misspelt, url).map(([name, value]) => [`--${name}=${value}`]),
    fc.tuple(misspelt, url).map(([name, value]) => [`--${name}`, value]),
    fc.tuple(misspelt, url).map(([name, value]) => [`-${name}${value}`]),
    url.map((value) => [value]),
    url.map((value) => ['doctor', value]),
    url.map((value) => ['doctor', `--supervisor.url=${value}`, '--supervisor.config=/nowhere']),
    url.map((value) => ['print-config', `--web.listen-address=${value}`]),
    url.map((value) => ['print-config', `--supervisor.timeout=${value}\n`]),
  );
  return [
    ...VALUE_FLAGS.flatMap((name) => URLS.slice(0, 2).map((value) => [`--${name}=${value}`])),
    ...URLS.map((value) => [`--web.listen-address=${value}`]),
    ...URLS.map((value) => [`--supervisor.url=${value}`, '--web.listen-address=127.0.0.1:0']),
    ...fc.sample(odd, 40),
  ];
}

secrets(
  'no command line makes the program print a password',
  timed(120_000, async () => {
    const lines = commandLines();
    const next = async () => {
      for (let args = lines.shift(); args !== undefined; args = lines.shift()) {
        const output = await outputOf(args);
        assert.not.match(output, SECRET, JSON.stringify(args));
      }
    };
    await Promise.all([next(), next()]);
  }),
);

/** stdout and stderr. The end of stdin ends an exporter that starts. */
async function outputOf(args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    env: { PATH: process.env['PATH'], SUPERVISOR_SERVER_URL: '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  try {
    await within(30_000, `the end of ${JSON.stringify(args)}`, once(child, 'close'));
  } finally {
    child.kill('SIGKILL');
  }
  return output;
}

secrets.run();
