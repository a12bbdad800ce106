/** What the tests of executables and packages share: builds, and a host that has no Node. */

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as assert from 'uvu/assert';
import { eventually, timeoutSignal } from './deadline.ts';
import { Exposition } from './exposition.ts';
import { freePort } from './ports.ts';
import { htpasswd } from './secure.ts';
import { Supervisord } from './supervisord.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

/** Runs a script of package.json; returns the paths that it prints, one on each line. */
export async function build(
  script: string,
  args: readonly string[] = [],
  environment: NodeJS.ProcessEnv = {},
): Promise<string[]> {
  const options = { cwd: ROOT, env: { ...process.env, ...environment } };
  const { stdout } = await run('npm', ['run', '--silent', script, '--', ...args], options);
  return stdout.trim().split('\n');
}

export function digestOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

/** Programs that the stories and the shell scripts of these tests use. */
const PROGRAMS = ['supervisord', 'supervisorctl', 'sh', 'sleep', 'env', 'cat'];

/** Makes a folder for PATH in which Node is missing. */
export function pathWithoutNode(dir: string): string {
  const folder = join(dir, 'bin');
  mkdirSync(folder);
  for (const program of PROGRAMS) symlinkSync(find(program), join(folder, program));
  return folder;
}

function find(program: string): string {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const file = join(folder, program);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {}
  }
  throw new Error(`${program} is not in PATH`);
}

/**
 * Puts the section that an installed exporter prints into a real supervisord with this PATH, with
 * a password for HTTP, and checks its main job: exits with their codes, the page, the password
 * (whose comparison needs a worker thread), and doctor.
 */
export async function assertMainJob(
  command: readonly [program: string, ...args: string[]],
  dir: string,
  path: string,
): Promise<void> {
  const [program, ...args] = command;
  const environment = { PATH: path };
  const port = await freePort();
  const webConfig = join(dir, 'web.yml');
  writeFileSync(webConfig, `basic_auth_users:\n  me: ${htpasswd('secret', 4)}\n`);
  const flags = [`--web.listen-address=127.0.0.1:${port}`, `--web.config.file=${webConfig}`];
  const printed = await run(program, [...args, 'print-config', ...flags], { env: environment });
  const [, line] = /^command=(.*)$/m.exec(printed.stdout) ?? [];
  assert.ok(line, printed.stdout);

  const story = { conf: 'life', section: { command: line }, environment };
  const supervisord = new Supervisord(story, port);
  try {
    await eventually(30_000, async () => {
      const metrics = new Exposition(await textOf(`http://127.0.0.1:${port}/metrics`, 'secret'));
      assert.is(metrics.value('supervisord_up', { name: 'exporter' }), 1);
      assert.is(metrics.value('supervisord_exit_status', { name: 'crashing' }), 3);
      assert.is(metrics.value('supervisord_state', { name: 'failing' }), 200);
      assert.is(metrics.value('supervisord_exporter_rpc_up'), 1);
    });
    assert.is((await get(`http://127.0.0.1:${port}/metrics`, 'wrong')).status, 401);
    assert.match(await textOf(`http://127.0.0.1:${port}/`, 'secret'), /<html/);
    await assertDoctor(command, supervisord, environment);
  } finally {
    await supervisord.stop();
  }
}

async function assertDoctor(
  [program, ...args]: readonly [program: string, ...args: string[]],
  { dir, confFile }: Supervisord,
  environment: { readonly PATH: string },
): Promise<void> {
  const conf = `--supervisor.config=${confFile}`;
  const env = { ...environment, STORY_DIR: dir, STORY_LOG_LEVEL: 'info' };
  const { stdout } = await run(program, [...args, 'doctor', conf], { env }).catch(
    (error: { stdout: string }) => error,
  );
  assert.match(stdout, /^ok {4}section/m, stdout);
  assert.not.match(stdout, /^FAIL {2}(?:node|section|program|command)/m, stdout);
}

function get(url: string, password: string): Promise<Response> {
  const authorization = `Basic ${Buffer.from(`me:${password}`).toString('base64')}`;
  return fetch(url, { headers: { authorization }, signal: timeoutSignal(5_000) });
}

async function textOf(url: string, password: string): Promise<string> {
  const response = await get(url, password);
  assert.is(response.status, 200);
  return await response.text();
}
