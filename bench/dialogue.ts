/** supervisord's part of the dialogue with its listener: one event at a time, each timed until it is acknowledged. */

import { Mutex } from '../src/util/mutex.ts';
import { ACKNOWLEDGED, type RunningExporter } from '../test/support/exporter.ts';
import { remote, step, tick } from '../test/support/wire.ts';

/** Of programs that run, so that they run again behind it. */
const RESTART = [
  'RUNNING>STOPPING',
  'STOPPING>STOPPED',
  'STOPPED>STARTING',
  'STARTING>RUNNING',
] as const;
const PERIOD = 60;
const DEADLINE_MS = 30_000;

export class Dialogue {
  readonly #exporter: RunningExporter;
  #serial = 0;
  readonly #mutex = new Mutex();

  constructor(exporter: RunningExporter) {
    this.#exporter = exporter;
  }

  /** An event that the exporter does nothing about. */
  probe(): Promise<number> {
    return this.remote('probe', '');
  }

  remote(type: string, data: string): Promise<number> {
    return this.#tell(remote(this.#serial++, type, data));
  }

  /** What makes the exporter ask for a snapshot. */
  tick(): Promise<number> {
    return this.#tell(tick(this.#serial++, PERIOD, Math.floor(Date.now() / 1000)));
  }

  /** The four events of a restart, each with the milliseconds to its acknowledgement. */
  async restart(program: number, pid: number): Promise<number[]> {
    const taken: number[] = [];
    for (const transition of RESTART) {
      const more = transition === 'STOPPED>STARTING' ? 'tries:0' : `pid:${pid}`;
      const event = step(this.#serial++, `group-0:program-${program}`, transition, more);
      taken.push(await this.#tell(event));
    }
    return taken;
  }

  /** Resolves to the milliseconds from the event to its acknowledgement. */
  #tell(event: string): Promise<number> {
    return this.#mutex.run(() => this.#exchange(event));
  }

  #exchange(event: string): Promise<number> {
    const { stdin, stdout } = this.#exporter.child;
    return new Promise((resolve, reject) => {
      const late = setTimeout(
        () => reject(new Error(`no acknowledgement: ${this.#exporter.stderr}`)),
        DEADLINE_MS,
      );
      const began = performance.now();
      stdout.once('data', (answer: string) => {
        clearTimeout(late);
        if (answer === ACKNOWLEDGED) resolve(performance.now() - began);
        else reject(new Error(`answered ${JSON.stringify(answer)}`));
      });
      stdin.write(event);
    });
  }
}
