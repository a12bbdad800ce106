/** Has the configuration of a running supervisord read, in that supervisord's circumstances. */

import { resolve } from 'node:path';
import type { Reading } from './configuration.ts';
import { exists } from './files.ts';
import { readConfiguration } from './read-configuration.ts';
import {
  interpreterOf,
  parseSupervisordCommand,
  type SupervisordProcess,
} from './supervisord-process.ts';

/** Those of this program, where those of supervisord are not known. */
export interface OwnCircumstances {
  readonly cwd: string;
  /** The effective user; undefined where the platform has none. */
  readonly uid: number | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Where installers put supervisord; the PATH of this program may be shorter, as under cron. */
const STANDARD_PATH = '/usr/local/bin:/usr/bin:/bin';

/** `configFile` counts where no supervisord is known. */
export async function readAs(
  supervisord: SupervisordProcess | undefined,
  configFile: string | undefined,
  own: OwnCircumstances,
): Promise<Reading> {
  const environment = supervisord?.environment ?? own.environment;
  const path = [environment['PATH'], own.environment['PATH'], STANDARD_PATH].join(':');
  const interpreter = interpreterOf(supervisord, path, own.cwd);
  if (interpreter === undefined) {
    return { kind: 'no-reader', reason: 'there is no supervisord whose Python could be found' };
  }
  const command = supervisord && parseSupervisordCommand(supervisord.words);
  const given = configFile === undefined ? [] : ['-c', resolve(own.cwd, configFile)];
  const cwd = supervisord?.cwd ?? own.cwd;
  const isOther = own.uid === 0 && supervisord !== undefined && supervisord.uid !== 0;
  return readConfiguration({
    interpreter,
    args: command?.args ?? given,
    cwd: exists(cwd) ? cwd : '/',
    environment,
    user: isOther ? { uid: supervisord.uid, gid: supervisord.gid } : undefined,
  });
}
