/** The settings of each process in supervisord's configuration (getAllConfigInfo, since Supervisor 3.0). */

import type { ProcessId } from '../supervisor/process-id.ts';
import type { ProcessSettings } from '../supervisor/snapshot.ts';
import { readString, readStruct, unexpected } from './values.ts';

export interface ProcessConfig extends ProcessId {
  readonly settings: ProcessSettings;
}

/** Takes supervisord over 1 ms per process, twice as long as a snapshot. */
export const CONFIG_CALL = 'supervisor.getAllConfigInfo';

/**
 * Reads the result of CONFIG_CALL. Versions of Supervisor report different keys: of each entry
 * everything usable is taken. Throws RpcError where there is no list of entries with names.
 */
export function parseConfigInfo(result: unknown): ProcessConfig[] {
  if (!Array.isArray(result)) throw unexpected('getAllConfigInfo', 'a list', result);
  return result.map((entry) => {
    const config = readStruct(entry, 'an entry');
    const { autostart, startretries, stopwaitsecs, exitcodes } = config;
    return {
      group: readString(config['group'], 'group'),
      name: readString(config['name'], 'name'),
      settings: {
        autostart: typeof autostart === 'boolean' ? autostart : undefined,
        startRetries: readCount(startretries),
        stopWaitSeconds: readCount(stopwaitsecs),
        exitCodes: readCodes(exitcodes),
      },
    };
  });
}

function readCodes(value: unknown): readonly number[] | undefined {
  const isCodes = Array.isArray(value) && value.every((code) => Number.isInteger(code));
  return isCodes ? value : undefined;
}

function readCount(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : undefined;
}
