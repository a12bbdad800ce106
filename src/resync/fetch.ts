/** Fetches a snapshot by XML-RPC, and has supervisord send its marker to this listener. */

import type { AdaptiveTimeout } from '../rpc/adaptive-timeout.ts';
import type { RpcCall, RpcClient } from '../rpc/client.ts';
import { parseSnapshot, SNAPSHOT_CALLS } from '../rpc/snapshot.ts';
import type { Snapshot } from '../supervisor/snapshot.ts';
import { yieldToEventLoop } from '../util/time-slice.ts';

/** The `type` of the REMOTE_COMMUNICATION events that are markers. */
export const MARKER_TYPE = 'supervisor-exporter';

/** The calls of a snapshot with this marker. */
export function snapshotCalls(marker: string): RpcCall[] {
  const send = { methodName: 'supervisor.sendRemoteCommEvent', params: [MARKER_TYPE, marker] };
  return [send, ...SNAPSHOT_CALLS];
}

/**
 * Rejects with RpcError. supervisord runs the calls of a multicall in one turn of its loop: the
 * snapshot includes all events before the marker and none after it.
 */
export async function fetchSnapshot(
  client: RpcClient,
  marker: string,
  timeout: AdaptiveTimeout,
): Promise<Snapshot> {
  const [, ...results] = await client.multicall(snapshotCalls(marker), timeout);
  // Parsing it and applying it take milliseconds each with thousands of processes.
  await yieldToEventLoop();
  const snapshot = parseSnapshot(results);
  await yieldToEventLoop();
  return snapshot;
}
