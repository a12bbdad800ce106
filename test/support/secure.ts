/** Clients of a server with TLS and passwords: the real curl and openssl s_client. */

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { hashSync } from 'bcryptjs';
import { within } from './deadline.ts';
import type { RunningExporter } from './exporter.ts';

/** As `htpasswd -nBC 10` prints it. */
export function htpasswd(password: string, cost = 10): string {
  return hashSync(password, cost).replace(/^\$2b/, '$2y');
}

export interface CurlAnswer {
  /** 0 where there was none. */
  readonly status: number;
  readonly seconds: number;
  /** Head and body. */
  readonly text: string;
  /** Why there was none. */
  readonly error: string;
}

/** curl of a path of the exporter; `scheme` https goes to localhost, for the certificate's sake. */
export function curl(
  exporter: Pick<RunningExporter, 'port'>,
  scheme: 'http' | 'https',
  path: string,
  ...args: readonly string[]
): Promise<CurlAnswer> {
  const url = `${scheme}://localhost:${exporter.port}${path}`;
  const format = '\n%{http_code} %{time_total}';
  const all = ['-sS', '-i', '--max-time', '20', '-4', '-w', format, ...args, url];
  return new Promise((resolve) => {
    execFile('curl', all, { maxBuffer: 1 << 24 }, (_, stdout, stderr) => {
      const [, text = '', status, seconds] = /^(.*)\n(\d+) ([\d.]+)$/s.exec(stdout) ?? [];
      resolve({ status: Number(status), seconds: Number(seconds), text, error: stderr.trim() });
    });
  });
}

/** What `openssl s_client` prints about the handshake, and its answer to a GET of /-/healthy. */
export async function sClient(
  exporter: RunningExporter,
  ...args: readonly string[]
): Promise<string> {
  const connect = ['s_client', '-connect', `127.0.0.1:${exporter.port}`, '-ign_eof'];
  const child = spawn('openssl', [...connect, ...args], { stdio: 'pipe' });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  child.stdin.on('error', () => {});
  child.stdin.write('GET /-/healthy HTTP/1.0\r\n\r\n');
  try {
    await within(10_000, `openssl ${args.join(' ')}`, once(child, 'close'));
  } finally {
    child.kill('SIGKILL');
  }
  return output;
}
