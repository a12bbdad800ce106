/** A real Prometheus with a configuration of the test's, on a port and in a folder of its own. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, within } from './deadline.ts';
import { freePort } from './ports.ts';

interface Answer<Data> {
  readonly status: string;
  readonly data: Data;
}

interface Vector {
  readonly result: ReadonlyArray<{
    readonly metric: Readonly<Record<string, string>>;
    readonly value: readonly [number, string];
  }>;
}

export class Prometheus {
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
  }

  async query(expr: string): Promise<Vector['result']> {
    return (await this.#get<Vector>(`query?query=${encodeURIComponent(expr)}`)).result;
  }

  async targets(): Promise<ReadonlyArray<{ readonly health: string; readonly lastError: string }>> {
    type Targets = { activeTargets: Array<{ health: string; lastError: string }> };
    return (await this.#get<Targets>('targets')).activeTargets;
  }

  async #get<Data>(path: string): Promise<Data> {
    const response = await fetch(`http://127.0.0.1:${this.#port}/api/v1/${path}`, {
      signal: AbortSignal.timeout(5_000),
    });
    const { status, data } = (await response.json()) as Answer<Data>;
    if (status !== 'success') throw new Error(`${path}: ${status}`);
    return data;
  }
}

/** Runs `body` beside a Prometheus that scrapes `target` each second. */
export async function withPrometheus(
  target: string,
  body: (prometheus: Prometheus) => Promise<void>,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'supervisor-exporter-prometheus-'));
  const port = await freePort();
  const config = {
    global: { scrape_interval: '1s' },
    scrape_configs: [{ job_name: 'supervisor', static_configs: [{ targets: [target] }] }],
  };
  // JSON is YAML.
  writeFileSync(join(dir, 'prometheus.yml'), JSON.stringify(config));
  const child = spawn(
    'prometheus',
    [
      `--config.file=${dir}/prometheus.yml`,
      `--storage.tsdb.path=${dir}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    {
      stdio: 'ignore',
    },
  );
  const exited = once(child, 'close');
  try {
    const prometheus = new Prometheus(port);
    await eventually(20_000, () => prometheus.targets());
    await body(prometheus);
  } finally {
    child.kill('SIGTERM');
    await within(20_000, 'end of Prometheus', exited).catch(() => child.kill('SIGKILL'));
    rmSync(dir, { recursive: true, force: true });
  }
}
