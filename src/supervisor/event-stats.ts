/** Plain counters of the events received, kept by the event handler and read by metrics and page. */

import type { MalformedEvent } from './events.ts';

export interface EventStats {
  /** Events received and understood, by Supervisor's name, redeliveries included. */
  readonly received: ReadonlyMap<string, number>;
  readonly redelivered: number;
  readonly malformed: Readonly<Record<MalformedEvent['reason'], number>>;
  /** Events that supervisord discarded before delivery. */
  readonly lost: number;
  /** Gaps in the serials, pending or lost. */
  readonly gaps: number;
  /** Epoch seconds; undefined before the first. */
  readonly lastEventAt: number | undefined;
  readonly lastTickAt: number | undefined;
}
