/** A real Prometheus with its own port and folder. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually, timeoutSignal, within } from './deadline.ts';
import { freePort } from './ports.ts';

const SHIPPED = fileURLToPath(new URL('../../prometheus-rules/', import.meta.url));

export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

export class Prometheus {
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
  }

  async query(expr: string): Promise<readonly Series[]> {
    type Vector = { result: Series[] };
    return (await this.#get<Vector>(`query?query=${encodeURIComponent(expr)}`)).result;
  }

  async targets(): Promise<ReadonlyArray<{ readonly health: string; readonly lastError: string }>> {
    type Targets = { activeTargets: Array<{ health: string; lastError: string }> };
    return (await this.#get<Targets>('targets')).activeTargets;
  }

  /** The URLs of the Alertmanagers to which it sends. */
  async alertmanagers(): Promise<readonly string[]> {
    type Alertmanagers = { activeAlertmanagers: Array<{ url: string }> };
    const { activeAlertmanagers } = await this.#get<Alertmanagers>('alertmanagers');
    return activeAlertmanagers.map(({ url }) => url);
  }

  /** Waits until its targets are up and it has found its Alertmanagers. */
  untilScraping(alertmanagers = 1): Promise<void> {
    return eventually(20_000, async () => {
      const healths = (await this.targets()).map(({ health }) => health);
      const sentTo = (await this.alertmanagers()).length;
      if (healths.join() !== 'up' || sentTo !== alertmanagers) {
        throw new Error(`targets: ${healths.join()}; Alertmanagers: ${sentTo}`);
      }
    });
  }

  async #get<Data>(path: string): Promise<Data> {
    const response = await fetch(`http://127.0.0.1:${this.#port}/api/v1/${path}`, {
      signal: timeoutSignal(5_000),
    });
    const { status, data } = (await response.json()) as { status: string; data: Data };
    if (status !== 'success') throw new Error(`${path}: ${status}`);
    return data;
  }
}

/**
 * Runs `body` with a Prometheus that scrapes `target` every second. `scrape` holds further
 * members of the scrape_config.
 */
export function withPrometheus(
  target: string,
  body: (prometheus: Prometheus) => Promise<void>,
  scrape: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const static_configs = [{ targets: [target] }];
  const config = {
    global: { scrape_interval: '1s' },
    scrape_configs: [{ job_name: 'supervisor', honor_labels: true, static_configs, ...scrape }],
  };
  // JSON is YAML.
  return runPrometheus(
    (dir) => writeFileSync(join(dir, 'prometheus.yml'), JSON.stringify(config)),
    body,
  );
}

export interface ShippedOptions {
  /** `HOST:PORT` of the exporter. */
  readonly target: string;
  /** `HOST:PORT` of each. */
  readonly alertmanagers: readonly string[];
  /** Labels that the target gets besides. */
  readonly targetLabels?: Readonly<Record<string, string>>;
  /** Changes the rules of alerts.yml, as to shorten them. */
  readonly adaptRules?: (text: string) => string;
}

/**
 * Runs `body`, after the first scrape, with a Prometheus that has the shipped configuration and
 * rules. Only the addresses are replaced.
 */
export function withShippedPrometheus(
  { target, alertmanagers, targetLabels = {}, adaptRules = (text) => text }: ShippedOptions,
  body: (prometheus: Prometheus) => Promise<void>,
): Promise<void> {
  return runPrometheus(
    (dir) => {
      copyFileSync(join(SHIPPED, 'recording.yml'), join(dir, 'recording.yml'));
      const rules = readFileSync(join(SHIPPED, 'alerts.yml'), 'utf8');
      writeFileSync(join(dir, 'alerts.yml'), adaptRules(rules));
      const config = shippedWith('prometheus.yml', {
        // JSON is YAML.
        'localhost:9876': `${target}\n        labels: ${JSON.stringify(targetLabels)}`,
        // The addresses follow the `- ` of a list.
        'localhost:9093': alertmanagers.join('\n            - '),
      });
      writeFileSync(join(dir, 'prometheus.yml'), config);
    },
    async (prometheus) => {
      await prometheus.untilScraping(alertmanagers.length);
      await body(prometheus);
    },
  );
}

/** The text of a shipped file with replacements. Each replaced text must occur exactly once. */
export function shippedWith(file: string, changes: Readonly<Record<string, string>>): string {
  let text = readFileSync(join(SHIPPED, file), 'utf8');
  for (const [old, replacement] of Object.entries(changes)) {
    const parts = text.split(old);
    if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times ${old}`);
    text = parts.join(replacement);
  }
  return text;
}

/** Runs `body` with a Prometheus. `configure` writes prometheus.yml into its folder. */
export function runPrometheus(
  configure: (dir: string) => void,
  body: (prometheus: Prometheus, dir: string) => Promise<void>,
): Promise<void> {
  return withFolder('prometheus', async (dir) => {
    configure(dir);
    const port = await freePort();
    const prometheus = new Prometheus(port);
    const command = [
      'prometheus',
      `--config.file=${dir}/prometheus.yml`,
      `--storage.tsdb.path=${dir}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
    ];
    await withServer(command, `http://127.0.0.1:${port}/-/ready`, () => body(prometheus, dir));
  });
}

/** Runs `body` with a folder that is removed afterwards, also on process.exit. */
export async function withFolder(
  name: string,
  body: (dir: string) => Promise<void>,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), `supervisor-exporter-${name}-`));
  const remove = () => rmSync(dir, { recursive: true, force: true });
  process.once('exit', remove);
  try {
    await body(dir);
  } finally {
    process.off('exit', remove);
    remove();
  }
}

/** Runs `body` once `readyUrl` answers 200, and ends the server afterwards, also on process.exit. */
export async function withServer(
  [command = '', ...args]: readonly string[],
  readyUrl: string,
  body: () => Promise<void>,
): Promise<void> {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  const kill = () => void child.kill('SIGKILL');
  process.once('exit', kill);
  const exited = once(child, 'close');
  const endedEarly = exited.then(([code]) => {
    throw new Error(`exit status ${code}`);
  });
  try {
    await Promise.race([becomesReady(readyUrl), endedEarly]).catch((error: unknown) => {
      throw new Error(`${command}: ${error}; its log: ${log}`);
    });
    await Promise.race([body(), endedEarly]);
  } finally {
    child.kill('SIGTERM');
    await within(20_000, `end of ${command}`, exited).catch(kill);
    process.off('exit', kill);
  }
}

function becomesReady(url: string): Promise<void> {
  return eventually(20_000, async () => {
    const { status } = await fetch(url, { signal: timeoutSignal(5_000) });
    if (status !== 200) throw new Error(`${url}: status ${status}`);
  });
}
