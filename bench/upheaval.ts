/** What happens to the programs of a soak beside the storm. */

import type { Routine } from './routines.ts';
import type { SupervisordRpc } from './rpc.ts';
import { STEADY_PROGRAMS, writePassingGroups } from './soak-programs.ts';

const LONGEST_PAUSE_MS = 2_000;
const GENERATION_MS = 3_000;

/** Restarts steady programs at random, or has them killed, for supervisord to start again. */
export function restarting(rpc: SupervisordRpc): Routine {
  return {
    pauseMs: () => Math.random() * LONGEST_PAUSE_MS,
    round: async () => {
      const name = STEADY_PROGRAMS[Math.floor(Math.random() * STEADY_PROGRAMS.length)] ?? '';
      if (Math.random() < 0.5) {
        await rpc.callRunning('signalProcess', name, 'KILL');
      } else if (await rpc.callRunning('stopProcess', name)) {
        await rpc.call('startProcess', name);
      }
    },
  };
}

/** Has groups added and removed, as `supervisorctl update` does it, each under a name of its own. */
export class PassingGroups {
  readonly #rpc: SupervisordRpc;
  readonly #dir: string;
  #generation = 0;
  removed = 0;

  /** `dir` is that of supervisord's configuration. */
  constructor(rpc: SupervisordRpc, dir: string) {
    this.#rpc = rpc;
    this.#dir = dir;
  }

  replacing(): Routine {
    return { pauseMs: () => GENERATION_MS, round: () => this.#replace() };
  }

  async #replace(): Promise<void> {
    this.#generation += 1;
    writePassingGroups(this.#dir, this.#generation);
    this.removed += await update(this.#rpc);
  }
}

/** Resolves to how many groups have gone. */
async function update(rpc: SupervisordRpc): Promise<number> {
  const [[added, , removed]] =
    await rpc.call<[[added: string[], changed: string[], removed: string[]]]>('reloadConfig');
  for (const group of removed) {
    await rpc.call('stopProcessGroup', group);
    await rpc.call('removeProcessGroup', group);
  }
  for (const group of added) await rpc.call('addProcessGroup', group);
  return removed.length;
}
