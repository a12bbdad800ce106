/** The end of a storm. */

import { eventually } from '../test/support/deadline.ts';
import type { Exposition } from '../test/support/exposition.ts';
import type { SupervisordRpc } from './rpc.ts';

const STOP_DEADLINE_MS = 60_000;
const QUIET_DEADLINE_MS = 180_000;
const QUIET_SECONDS = 2;
const LOOK_EVERY_MS = 250;
const STOPPED = 0;

/** Stops groups for good. A program that is between two runs can't be stopped, and is started again. */
export async function stopGroups(rpc: SupervisordRpc, groups: readonly string[]): Promise<void> {
  await eventually(
    STOP_DEADLINE_MS,
    async () => {
      for (const group of groups) await rpc.call('stopProcessGroup', group);
      const going = (await rpc.processes()).filter(
        ({ group, state }) => groups.includes(group) && state !== STOPPED,
      );
      if (going.length > 0) throw new Error(`${going.length} programs can not be stopped`);
    },
    LOOK_EVERY_MS,
  );
}

/** Waits until the exporter has been told all that was queued; resolves to what it shows then. */
export function quiet(scrape: () => Promise<Exposition>): Promise<Exposition> {
  return eventually(
    QUIET_DEADLINE_MS,
    async () => {
      const metrics = await scrape();
      const last = metrics.value('supervisord_exporter_last_event_timestamp_seconds') ?? Infinity;
      if (last > Date.now() / 1000 - QUIET_SECONDS) throw new Error('events do not cease');
      return metrics;
    },
    LOOK_EVERY_MS,
  );
}
