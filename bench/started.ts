/** Waits for supervisord to have told the exporter of every start; until then it is busy with that. */

import { eventually } from '../test/support/deadline.ts';
import type { Pages } from './page.ts';
import type { Supervisord } from './supervisord.ts';

const DEADLINE_MS = 600_000;
const LOOK_EVERY_MS = 500;
/** Of the programs of sleeperSections. */
const STARTED =
  /^supervisord_process_transitions_total\{name="program-.*from="STARTING",to="RUNNING"\} 1$/gm;

export async function allStarted(
  supervisord: Supervisord,
  pages: Pages,
  programs: number,
): Promise<void> {
  let failure: string | undefined;
  await eventually(
    DEADLINE_MS,
    async () => {
      failure = supervisord.failure();
      if (failure !== undefined) return;
      const started = (await pages.read()).count(STARTED);
      if (started !== programs) throw new Error(`${started} of ${programs} programs have started`);
    },
    LOOK_EVERY_MS,
  );
  if (failure !== undefined) throw new Error(failure);
}
