import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCertificate } from '../support/certificates.ts';
import { eventually, timed, timeoutSignal, within } from '../support/deadline.ts';
import { PROGRAM } from '../support/exporter.ts';
import { Exposition } from '../support/exposition.ts';
import { freePort } from '../support/ports.ts';

const documentation = suite('documentation');
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const RULES = join(ROOT, 'prometheus-rules');

interface Block {
  readonly file: string;
  readonly line: number;
  readonly language: string;
  readonly text: string;
}

const MARKDOWN = [ROOT, join(ROOT, 'docs'), RULES, join(ROOT, 'bench')].flatMap((folder) =>
  filesOf(folder).flatMap((name) => (name.endsWith('.md') ? [join(folder, name)] : [])),
);

const BLOCKS = MARKDOWN.flatMap(readBlocks).filter(({ language }) =>
  /^(?:ini|ya?ml)$/.test(language),
);

function filesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** The fenced code blocks of a file, without the indentation of a list. */
function readBlocks(path: string): Block[] {
  const markdown = readFileSync(path, 'utf8');
  const fences = markdown.matchAll(/^( *)```(\w+)\n(.*?)^\1```$/gms);
  return [...fences].map(({ index, 1: indent = '', 2: language = '', 3: text = '' }) => ({
    file: path.slice(ROOT.length),
    line: markdown.slice(0, index).split('\n').length,
    language,
    text: text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  }));
}

/** supervisord's own reader of the file that is its argument. */
const PARSER = `
import sys
sys.path.append('/usr/lib/python3/dist-packages')
from supervisor.options import ServerOptions
ServerOptions().realize(['-c', sys.argv[1]])
`;

/** Which program reads a configuration, by what only that configuration has. */
const READERS: ReadonlyArray<readonly [mark: RegExp, read: (text: string, dir: string) => void]> = [
  [
    /^\[\w+(?::.*)?\]$/m,
    (text, dir) => {
      const missing = text.includes('[supervisord]') ? '' : '[supervisord]\n';
      const file = write(dir, 'supervisord.conf', missing + text);
      execFileSync('/usr/bin/python3', ['-W', 'ignore', '-c', PARSER, file], { stdio: 'pipe' });
    },
  ],
  [
    /^scrape_configs:/m,
    (text, dir) => {
      for (const name of ['alerts.yml', 'recording.yml']) {
        copyFileSync(join(RULES, name), join(dir, name));
      }
      const file = write(dir, 'prometheus.yml', text);
      execFileSync('promtool', ['check', 'config', file], { stdio: 'pipe' });
    },
  ],
  [
    /^(?:tls_server_config|basic_auth_users|http_server_config|rate_limit):/m,
    (text, dir) => {
      const file = write(dir, 'web.yml', text);
      execFileSync('promtool', ['check', 'web-config', file], { stdio: 'pipe' });
    },
  ],
  [
    // The keys are those that Prometheus has for its own Alertmanagers.
    /^(?:basic_auth|tls_config):/m,
    (text, dir) => {
      const alertmanager = `static_configs: [{ targets: ['alertmanager:9093'] }]\n${text}`;
      const entry = alertmanager.trimEnd().replaceAll('\n', '\n      ');
      const file = write(dir, 'prometheus.yml', `alerting:\n  alertmanagers:\n    - ${entry}\n`);
      execFileSync('promtool', ['check', 'config', file], { stdio: 'pipe' });
    },
  ],
  [
    /^(?:route|receivers):/m,
    (text, dir) => {
      const file = write(dir, 'alertmanager.yml', text);
      execFileSync('amtool', ['check-config', file], { stdio: 'pipe' });
    },
  ],
];

function write(dir: string, name: string, text: string): string {
  const file = join(dir, name);
  writeFileSync(file, text);
  return file;
}

documentation('it shows configurations', () => {
  assert.ok(BLOCKS.some(({ language }) => language === 'ini'));
  assert.ok(BLOCKS.some(({ language }) => language === 'yaml'));
});

for (const { file, line, text } of BLOCKS) {
  documentation(`${file}:${line} is accepted by the program that reads it`, () => {
    const readers = READERS.filter(([mark]) => mark.test(text));
    assert.is(readers.length, 1, `one program reads ${text}`);
    const dir = mkdtempSync(join(tmpdir(), 'supervisor-exporter-'));
    try {
      // The files that the examples name.
      for (const name of ['server', 'ca', 'prometheus', 'exporter']) makeCertificate(dir, name);
      write(dir, 'password', 'secret');
      for (const [, read] of readers) read(text, dir);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
}

/** Starts, is killed, and is restarted. */
const VICTIM = `
[program:victim]
command=sleep infinity
startsecs=0
`;

documentation(
  "the container's example prints each line once and shows the signal of an exit",
  timed(60_000, async () => {
    const example = BLOCKS.find(({ text }) => text.includes('nodaemon=true'));
    assert.ok(example);
    const dir = mkdtempSync(join(tmpdir(), 'supervisor-exporter-'));
    const port = await freePort();
    const command = `${process.execPath} ${PROGRAM} --web.listen-address=127.0.0.1:${port}`;
    const isRoot = process.getuid?.() === 0;
    const text = (example?.text ?? '')
      .replaceAll('=/run/', `=${dir}/`)
      .replace('command=/usr/local/bin/supervisor-exporter', `command=${command}`)
      .replace('user=root\n', isRoot ? 'user=root\n' : '');
    assert.match(text, PROGRAM);
    const conf = write(dir, 'supervisord.conf', text + VICTIM);
    // A container's output is a file or a pipe; Node's own pipes are sockets.
    const output = openSync(join(dir, 'output'), 'a');
    const supervisord = spawn('supervisord', ['-c', conf, '-j', join(dir, 'pid')], {
      cwd: dir,
      stdio: ['ignore', output, output],
    });
    const ended = once(supervisord, 'close');
    try {
      const pid = await eventually(20_000, async () => {
        const log = readFileSync(join(dir, 'output'), 'utf8');
        assert.ok(await isSynced(port));
        return Number(/spawned: 'victim' with pid (\d+)/.exec(log)?.[1]);
      });
      process.kill(pid, 'SIGKILL');
      await eventually(20_000, async () => {
        const metrics = await metricsOf(port);
        assert.is(metrics.value('supervisord_exit_signal', { name: 'victim' }), 9);
      });
      const log = readFileSync(join(dir, 'output'), 'utf8');
      const spawned = log.split('\n').filter((line) => line.includes(`with pid ${pid}`));
      assert.is(spawned.length, 1, log);
      assert.is(log.split('exited: victim (terminated by SIGKILL').length - 1, 1, log);
    } finally {
      supervisord.kill('SIGTERM');
      await within(20_000, 'end of supervisord', ended).catch(() => supervisord.kill('SIGKILL'));
      rmSync(dir, { recursive: true, force: true });
    }
  }),
);

async function metricsOf(port: number): Promise<Exposition> {
  const url = `http://127.0.0.1:${port}/metrics`;
  return new Exposition(await (await fetch(url, { signal: timeoutSignal(5_000) })).text());
}

async function isSynced(port: number): Promise<boolean> {
  const url = `http://127.0.0.1:${port}/-/ready`;
  return (await fetch(url, { signal: timeoutSignal(5_000) })).ok;
}

documentation.run();
