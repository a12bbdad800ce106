/** Queries supervisord about itself and the exporter, without changing anything. */

import { RpcClient } from '../rpc/client.ts';
import { CONFIG_CALL } from '../rpc/config-info.ts';
import type { SupervisorEndpoint } from '../rpc/endpoint.ts';
import { parseSnapshot, SNAPSHOT_CALLS } from '../rpc/snapshot.ts';
import { readInteger, readString, readStruct } from '../rpc/values.ts';
import type { Snapshot } from '../supervisor/snapshot.ts';
import { errorCode } from '../util/errno.ts';
import { RpcError } from '../util/errors.ts';
import type { ExporterFacts, LoadedFacts, ProcessFacts, RpcFacts, RpcFailure } from './facts.ts';
import { type Listener, supervisorOf } from './listener.ts';

export function createClient(endpoint: SupervisorEndpoint, timeoutMs: number): RpcClient {
  return new RpcClient(endpoint, { timeoutMs, keepOpen: false });
}

export async function askServer(client: RpcClient): Promise<RpcFacts> {
  try {
    return { kind: 'answered', snapshot: parseSnapshot(await client.multicall(SNAPSHOT_CALLS)) };
  } catch (error) {
    return failureOf(error);
  }
}

/** Calls XML-RPC with the exporter's own URL and credentials. */
export async function tryAccess(
  listener: Listener,
  timeoutMs: number,
): Promise<ExporterFacts['access']> {
  const endpoint = supervisorOf(listener);
  if (endpoint === undefined) return undefined;
  try {
    await createClient(endpoint, timeoutMs).call('supervisor.getSupervisorVersion', []);
    return 'granted';
  } catch (error) {
    return failureOf(error);
  }
}

function failureOf(error: unknown): RpcFailure {
  if (error instanceof RpcError) {
    const isForbidden = errorCode(error.cause) === 'EACCES';
    const why = isForbidden ? 'forbidden' : error.code;
    return { kind: 'failed', why, message: error.message };
  }
  throw error;
}

/** The processes of a group as supervisord reports them. `differencesOf`: see ProcessFacts. */
export async function askProcesses(
  client: RpcClient,
  group: string,
  { now, processes }: Snapshot,
  differencesOf: (pid: number) => readonly string[] | undefined,
): Promise<ProcessFacts[]> {
  const own = processes.filter((process) => process.group === group);
  const configs = await ask(client, CONFIG_CALL, [], parseLoaded);
  return Promise.all(
    own.map(async ({ name, state, start, pid, spawnError = '' }) => {
      const loaded = configs?.find((config) => config.group === group && config.name === name);
      const isRunning = state === 'RUNNING';
      const lastLines = isRunning ? [] : await askLastLines(client, group, name, loaded);
      const differences = isRunning ? differencesOf(pid) : undefined;
      return { name, state, start, now, spawnError, lastLines, loaded, differences };
    }),
  );
}

/** The process of supervisord; undefined where it does not answer. */
export function askPid(client: RpcClient): Promise<number | undefined> {
  return ask(client, 'supervisor.getPID', [], (pid) => (typeof pid === 'number' ? pid : undefined));
}

interface Loaded extends LoadedFacts {
  readonly group: string;
  readonly name: string;
  readonly stderrLog: string;
}

function parseLoaded(result: unknown): Loaded[] {
  if (!Array.isArray(result)) return [];
  return result.map((entry) => {
    const config = readStruct(entry, 'an entry');
    return {
      group: readString(config['group'], 'group'),
      name: readString(config['name'], 'name'),
      command: readString(config['command'], 'command'),
      priority: readInteger(config, 'process_prio', 'an entry'),
      startsecs: readInteger(config, 'startsecs', 'an entry'),
      stderrLog: readString(config['stderr_logfile'], 'stderr_logfile'),
    };
  });
}

const TAIL_BYTES = 4096;
const SHOWN_LINES = 3;

async function askLastLines(
  client: RpcClient,
  group: string,
  name: string,
  loaded: Loaded | undefined,
): Promise<readonly string[]> {
  // A device, as in a container, cannot be read from its end.
  if (loaded === undefined || loaded.stderrLog.startsWith('/dev/')) return [];
  const params = [`${group}:${name}`, 0, TAIL_BYTES];
  return (await ask(client, 'supervisor.tailProcessStderrLog', params, parseTail)) ?? [];
}

/** The reply is `[text, offset, overflow]`. */
function parseTail(result: unknown): string[] {
  const text: unknown = Array.isArray(result) ? result[0] : undefined;
  return readString(text, 'the text of the log')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-SHOWN_LINES);
}

/** For calls that not every supervisord supports; undefined where one fails. */
async function ask<Answer>(
  client: RpcClient,
  method: string,
  params: readonly unknown[],
  parse: (result: unknown) => Answer,
): Promise<Answer | undefined> {
  try {
    return parse(await client.call(method, params));
  } catch (error) {
    if (error instanceof RpcError) return undefined;
    throw error;
  }
}
