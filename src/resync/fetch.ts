/** Asks supervisord for a snapshot, and has it send our token in the same breath. */

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RpcCall, RpcClient } from '../rpc/client.ts';
import { parseSnapshot, SNAPSHOT_CALLS } from '../rpc/snapshot.ts';
import type { Snapshot } from '../supervisor/snapshot.ts';

/** What tokens are sent as, so that they are known from what others send. */
export const TOKEN_TYPE = 'supervisor-exporter';

/** The calls that a snapshot with this token takes. */
export function callsOf(token: string): RpcCall[] {
  const send = { methodName: 'supervisor.sendRemoteCommEvent', params: [TOKEN_TYPE, token] };
  return [send, ...SNAPSHOT_CALLS];
}

/**
 * Rejects with RpcError or UnexpectedValue. supervisord runs the calls of a multicall in one
 * turn of its loop: all events before the token's are in the snapshot, none behind it is.
 */
export async function fetchSnapshot(client: RpcClient, token: string): Promise<Snapshot> {
  const [, ...results] = await client.multicall(callsOf(token));
  // Reading and using it take milliseconds each with thousands of programs: events get a turn in between.
  await nextTurn();
  const snapshot = parseSnapshot(results);
  await nextTurn();
  return snapshot;
}
