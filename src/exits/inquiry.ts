/** One call that asks supervisord about ends: what it says of the processes, and the end of its log. */

import type { ProcessId } from '../processes/identity.ts';
import { type RpcCall, type RpcClient, RpcError } from '../rpc/client.ts';
import { type ProcessInfo, parseProcessInfo } from '../rpc/snapshot.ts';

export interface Answer {
  /** In the order of the processes asked about; undefined for one that is gone. */
  readonly infos: readonly (ProcessInfo | undefined)[];
  /** Undefined where it was not asked for; an error says why it can't be read. */
  readonly log: string | RpcError | undefined;
}

/**
 * Asks about processes and for the last `logBytes` of the log, 0 for none of it. Rejects
 * with RpcError, or with UnexpectedValue for an answer that is not Supervisor's.
 */
export async function inquire(
  client: RpcClient,
  processes: readonly ProcessId[],
  logBytes: number,
): Promise<Answer> {
  const calls = processes.map(askAbout);
  if (logBytes === 0) {
    return { infos: (await client.multicallSettled(calls)).map(readInfo), log: undefined };
  }
  const [log, ...infos] = await client.multicallSettled([readLog(logBytes), ...calls]);
  return { infos: infos.map(readInfo), log: log instanceof RpcError ? log : String(log) };
}

/** The last bytes of the log, which supervisord asks for as an offset below 0. */
function readLog(bytes: number): RpcCall {
  return { methodName: 'supervisor.readLog', params: [-bytes, 0] };
}

function askAbout({ group, name }: ProcessId): RpcCall {
  return { methodName: 'supervisor.getProcessInfo', params: [`${group}:${name}`] };
}

function readInfo(result: unknown): ProcessInfo | undefined {
  return result instanceof RpcError ? undefined : parseProcessInfo(result);
}
