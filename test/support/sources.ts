/** What the metrics of a busy exporter read, besides the process table. */

import type { ExporterSources } from '../../src/metrics/exporter.ts';

const NO_RESYNCS = { startup: 0, tick: 0, gap: 0, group: 0, unreported_exit: 0 };

/** Each family has a sample. */
export const ACTIVE_SOURCES: Omit<ExporterSources, 'table'> = {
  build: { version: '1.2.3', revision: '0123456', nodeVersion: 'v20.0.0' },
  events: () => ({
    received: new Map([
      ['PROCESS_STATE_EXITED', 12],
      ['TICK_60', 3],
    ]),
    redelivered: 1,
    malformed: { header: 0, unknown_event: 1, payload: 0 },
    lost: 2,
    gaps: 1,
    lastEventAt: 1_700_000_120.5,
    lastTickAt: 1_700_000_100.25,
  }),
  resync: {
    stats: {
      requests: { ...NO_RESYNCS, startup: 1, tick: 2, gap: 1 },
      failures: { ...NO_RESYNCS, tick: 1 },
      corrections: 1,
      lastAt: 1_700_000_110.75,
      lastDuration: 0.0125,
    },
    health: 'works',
    isSynced: true,
    server: { version: '4.2.5', identifier: 'supervisor', stateCode: 1 },
  },
  exits: {
    stats: { nudges: 4 },
    stalled: false,
    isUnreported: ({ state }) => (state === 'RUNNING' ? false : undefined),
    countsOomKills: true,
    countsStopKills: true,
  },
  alertmanagers: () => [{ alertmanager: 'http://alertmanager:9093', sent: 5, failed: 1 }],
  cgroupMemory: () => ({ usageBytes: 157_286_400, limitBytes: 536_870_912 }),
  collectors: () => [
    ['resources', { success: true, durationSeconds: 0.002 }],
    ['exit_reason', { success: true, durationSeconds: 0.001 }],
  ],
};
