/** The built program, spoken to over pipes: the test takes supervisord's part. */

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { eventually, within } from './deadline.ts';
import { Exposition } from './exposition.ts';

export const PROGRAM = fileURLToPath(
  new URL('../../dist/supervisor-exporter.cjs', import.meta.url),
);

export const ACKNOWLEDGED = 'RESULT 2\nOKREADY\n';

const ANY_PORT = '--web.listen-address=127.0.0.1:0';

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class RunningExporter {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly exited: Promise<Exit>;
  stdout = '';
  stderr = '';

  /** `wrapper`: a command that runs the command after it. */
  constructor(
    args: readonly string[],
    environment: NodeJS.ProcessEnv,
    wrapper: readonly string[] = [],
  ) {
    const [command = process.execPath, ...rest] = [...wrapper, process.execPath, PROGRAM, ...args];
    this.child = spawn(command, rest, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], ...environment },
    });
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.child.stdin.on('error', () => {});
    this.exited = once(this.child, 'close').then(([code, signal]) => ({ code, signal }));
  }

  get port(): number {
    const [, port] = /msg=listening address=\S*:(\d+)/.exec(this.stderr) ?? [];
    if (port === undefined) throw new Error(`no port in: ${this.stderr}`);
    return Number(port);
  }

  url(path: string): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  async ready(): Promise<void> {
    await eventually(5_000, () => {
      if (!this.stdout.startsWith('READY\n')) throw new Error(`no READY; stderr: ${this.stderr}`);
      // READY is written before the rest is loaded; this is logged when the exporter listens.
      if (!/msg"?[=:]"?supervisord\b/.test(this.stderr)) {
        throw new Error(`not listening; stderr: ${this.stderr}`);
      }
    });
  }

  /** Sends events one at a time, each when the one before it has been acknowledged, as supervisord does. */
  async tell(...events: readonly (string | Uint8Array)[]): Promise<void> {
    for (const event of events) {
      const wanted = this.stdout + ACKNOWLEDGED;
      this.child.stdin.write(event);
      await eventually(
        5_000,
        () => {
          if (this.stdout !== wanted) {
            throw new Error(
              `stdout: ${JSON.stringify(this.stdout.slice(-80))}; stderr: ${this.stderr}`,
            );
          }
        },
        1,
      );
    }
  }

  async metrics(): Promise<Exposition> {
    const response = await fetch(this.url('/metrics'));
    return new Exposition(await response.text());
  }

  /** How it ended by itself. */
  exit(ms = 5_000): Promise<Exit> {
    return within(ms, 'exit of the exporter', this.exited);
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
  }
}

/** Starts the program, waits for its READY, and ends it whatever `body` does. */
export async function withExporter(
  options: {
    readonly args?: readonly string[];
    readonly environment?: NodeJS.ProcessEnv;
    readonly wrapper?: readonly string[];
  },
  body: (exporter: RunningExporter) => Promise<void>,
): Promise<void> {
  const exporter = new RunningExporter(
    [ANY_PORT, ...(options.args ?? [])],
    options.environment ?? {},
    options.wrapper,
  );
  try {
    await exporter.ready();
    await body(exporter);
  } finally {
    await exporter.kill();
  }
}

/** Runs the program to its end with nothing on stdin. */
export async function runToEnd(
  args: readonly string[],
  environment: NodeJS.ProcessEnv = {},
): Promise<Exit & { readonly stdout: string; readonly stderr: string }> {
  const exporter = new RunningExporter(args, environment);
  try {
    const exit = await exporter.exit();
    return { ...exit, stdout: exporter.stdout, stderr: exporter.stderr };
  } finally {
    await exporter.kill();
  }
}
