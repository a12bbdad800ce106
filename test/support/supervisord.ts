/** A real supervisord with the configuration of a test and its own folder. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import xmlrpc from 'xmlrpc';
import { eventually, timeoutSignal, within } from './deadline.ts';
import { PROGRAM } from './exporter.ts';
import { Exposition } from './exposition.ts';
import { freePort } from './ports.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Story {
  /** test/e2e/conf/NAME.conf */
  readonly conf: string;
  /** The exporter's flags. */
  readonly flags?: readonly string[];
  /** The name of the event pool, instead of `exporter`. */
  readonly pool?: string;
  /** Replaces lines of the shipped section by key; undefined removes the line. */
  readonly section?: Readonly<Record<string, string | undefined>>;
  readonly environment?: NodeJS.ProcessEnv;
  /** Further .conf files, by name, that are there from the start. */
  readonly files?: Readonly<Record<string, string>>;
  /** Called with the story's folder before supervisord starts. */
  readonly prepare?: (dir: string) => void;
  /** A command that runs the command after it, with the same pid. */
  readonly wrapper?: readonly string[];
  /** The descriptor of its stdout. Node's pipes are sockets, which cannot be opened as /dev/stdout. */
  readonly stdout?: number;
  /** The folder of the cgroup in which to start it. */
  readonly cgroup?: string;
}

/** Enters the cgroup of the first argument, and becomes the command of the others. */
const ENTER_CGROUP = 'echo $$ >"$0/cgroup.procs" && exec "$@"';

export class Supervisord {
  readonly dir = mkdtempSync(join(tmpdir(), 'supervisor-exporter-'));
  readonly port: number;
  readonly #story: Story;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #output = '';

  constructor(story: Story, port: number) {
    this.port = port;
    this.#story = story;
    // Not a link: doctor would take the file of another test for the same.
    cpSync(join(root, 'test/e2e/conf'), join(this.dir, 'conf'), { recursive: true });
    this.changeSection({});
    for (const [name, text] of Object.entries(story.files ?? {})) this.writeConf(name, text);
    story.prepare?.(this.dir);
    const { cgroup, wrapper = [] } = story;
    const [command = '', ...args] = [
      ...(cgroup === undefined ? [] : ['sh', '-c', ENTER_CGROUP, cgroup]),
      ...wrapper,
      ...['supervisord', '-c', this.confFile],
    ];
    this.#child = spawn(command, args, {
      stdio: ['ignore', story.stdout ?? 'pipe', 'pipe'],
      env: {
        ...process.env,
        STORY_DIR: this.dir,
        STORY_SUPPORT: join(root, 'test/support'),
        STORY_PORT: String(port),
        STORY_LOG_LEVEL: 'debug',
        ...story.environment,
      },
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text;
      });
    }
    this.#exited = once(this.#child, 'close');
  }

  /** By a path that no other supervisord has. */
  get confFile(): string {
    return join(this.dir, 'conf', `${this.#story.conf}.conf`);
  }

  /** Puts a file into the folder whose .conf files supervisord reads at start and on `update`. */
  writeConf(name: string, text: string): void {
    writeFileSync(join(this.dir, name), text);
  }

  /** Writes the exporter's section, with these lines changed. */
  changeSection(changes: Story['section']): void {
    const section = { ...this.#story.section, ...changes };
    this.writeConf('exporter.conf', exporterSection({ ...this.#story, section }, this.port));
  }

  /** supervisord's own log. */
  get log(): string {
    return readFileSync(join(this.dir, 'supervisord.log'), 'utf8');
  }

  /** What the exporter has logged, over all its starts. */
  get exporterLog(): string {
    return readFileSync(join(this.dir, 'exporter.log'), 'utf8');
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  url(path: string): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  async metrics(): Promise<Exposition> {
    const response = await fetch(this.url('/metrics'), { signal: timeoutSignal(5_000) });
    return new Exposition(await response.text());
  }

  /** Scrapes /metrics until `check` passes. */
  until(ms: number, check: (metrics: Exposition) => void): Promise<void> {
    return eventually(ms, async () => {
      try {
        check(await this.metrics());
      } catch (error) {
        if (this.#child.exitCode !== null)
          throw new Error(`supervisord has ended: ${this.#output}`);
        throw error;
      }
    });
  }

  call<T>(method: string, ...params: readonly unknown[]): Promise<T> {
    const options = { socketPath: join(this.dir, 'supervisor.sock'), path: '/RPC2', agent: false };
    const client = xmlrpc.createClient(options as Parameters<typeof xmlrpc.createClient>[0]);
    const answer = new Promise<T>((resolve, reject) => {
      client.methodCall(method, [...params], (error: unknown, value: T) =>
        error ? reject(error) : resolve(value),
      );
    });
    return within(30_000, method, answer);
  }

  /** `supervisorctl ARGS`; resolves to what it printed, whatever its exit status. */
  async ctl(...args: readonly string[]): Promise<string> {
    const child = spawn('supervisorctl', ['-s', `unix://${this.dir}/supervisor.sock`, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    await within(30_000, `supervisorctl ${args.join(' ')}`, once(child, 'close'));
    return output;
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await within(20_000, 'end of supervisord', this.#exited).catch(() => {
      this.#child.kill('SIGKILL');
    });
    rmSync(this.dir, { recursive: true, force: true });
  }

  get output(): string {
    return this.#output;
  }
}

/** Runs `body` with a supervisord and the shipped section of the exporter, and ends both afterwards. */
export async function play(
  story: Story,
  body: (supervisord: Supervisord) => Promise<void>,
): Promise<void> {
  const supervisord = new Supervisord(story, await freePort());
  try {
    await body(supervisord);
  } finally {
    await supervisord.stop();
  }
}

/** The shipped section with this build, this port and the changes of the test. */
function exporterSection(story: Story, port: number): string {
  const flags = [`--web.listen-address=127.0.0.1:${port}`, ...(story.flags ?? [])];
  const changes: Record<string, string | undefined> = {
    command: [process.execPath, PROGRAM, ...flags].join(' '),
    stderr_logfile: '%(ENV_STORY_DIR)s/exporter.log',
    ...story.section,
  };
  const lines = readFileSync(join(root, 'supervisor/exporter.conf'), 'utf8').split('\n');
  const kept = lines.filter(
    (line) => !Object.keys(changes).some((key) => line.startsWith(`${key}=`)),
  );
  const changed = Object.entries(changes).flatMap(([key, value]) =>
    value === undefined ? [] : `${key}=${value}`,
  );
  const named = kept.map((line) =>
    line === '[eventlistener:exporter]' ? `[eventlistener:${story.pool ?? 'exporter'}]` : line,
  );
  return [...named, ...changed, ''].join('\n');
}
