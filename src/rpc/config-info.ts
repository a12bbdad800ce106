/** What supervisord's configuration says of each process (getAllConfigInfo). */

import type { ProcessId } from '../supervisor/process-id.ts';
import type { ProcessSettings } from '../supervisor/snapshot.ts';
import { readNumber, readString, readStruct, unexpected } from './values.ts';

export interface ProcessConfig extends ProcessId, ProcessSettings {}

/** Since Supervisor 4.0. Takes it over 1 ms a process, twice what a snapshot does: not for each minute. */
export const CONFIG_CALL = 'supervisor.getAllConfigInfo';

/** Reads the result of CONFIG_CALL. Throws UnexpectedValue. */
export function parseConfigInfo(result: unknown): ProcessConfig[] {
  if (!Array.isArray(result)) throw unexpected('getAllConfigInfo', 'a list', result);
  return result.map((entry) => {
    const config = readStruct(entry, 'an entry');
    const group = readString(config['group'], 'group');
    const name = readString(config['name'], 'name');
    const where = `${group}:${name}`;
    const { autostart } = config;
    if (typeof autostart !== 'boolean')
      throw unexpected(`autostart of ${where}`, 'a boolean', autostart);
    return {
      group,
      name,
      autostart,
      startRetries: readNumber(config, 'startretries', where),
      stopWaitSeconds: readNumber(config, 'stopwaitsecs', where),
    };
  });
}
