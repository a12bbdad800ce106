/** What the metrics of an exporter without any activity read. */

import type { ExporterSources } from '../../src/metrics/exporter.ts';

const NO_RESYNCS = { startup: 0, tick: 0, gap: 0, group: 0, unreported_exit: 0 };

export const IDLE_SOURCES: ExporterSources = {
  events: () => ({
    received: new Map(),
    redelivered: 0,
    malformed: { header: 0, unknown_event: 0, payload: 0 },
    lost: 0,
    gaps: 0,
    lastEventAt: undefined,
    lastTickAt: undefined,
  }),
  resync: {
    stats: {
      requests: NO_RESYNCS,
      failures: NO_RESYNCS,
      corrections: 0,
      lastAt: undefined,
      lastDuration: undefined,
    },
    health: 'pending',
    isSynced: false,
    server: undefined,
  },
  exits: { stats: { nudges: 0 }, stalled: false, isUnreported: () => false },
  alertmanagers: () => [],
  collectors: () => [],
};
