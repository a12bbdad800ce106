/** Runs `supervisor-exporter doctor` and reads what it says. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { within } from './deadline.ts';
import { PROGRAM } from './exporter.ts';
import type { Supervisord } from './supervisord.ts';

const CONF = fileURLToPath(new URL('../e2e/conf', import.meta.url));

export interface Examination {
  readonly code: number | null;
  readonly text: string;
  /** The checks that found something, as `FAIL events`. */
  readonly troubles: readonly string[];
}

export interface Ways {
  readonly args?: readonly string[];
  readonly environment?: NodeJS.ProcessEnv;
  readonly program?: string;
  /** Both the user's and the group's number. */
  readonly user?: number;
}

export async function runDoctor(ways: Ways): Promise<Examination> {
  const child = spawn(process.execPath, [ways.program ?? PROGRAM, 'doctor', ...(ways.args ?? [])], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], ...ways.environment },
    ...(ways.user === undefined ? {} : { uid: ways.user, gid: ways.user }),
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
  }
  const [code] = await within(15_000, 'doctor', once(child, 'close'));
  const troubles = [...text.matchAll(/^(FAIL|warn) +([a-z_.-]+(?: [a-z_-]+)*) {2}/gm)].map(
    ([, level, check]) => `${level} ${check}`,
  );
  return { code, text, troubles };
}

/** Examines a story that is being played, by its configuration. */
export function examineStory(
  { dir }: Supervisord,
  conf: string,
  environment: NodeJS.ProcessEnv = {},
): Promise<Examination> {
  return runDoctor({
    args: [`--supervisor.config=${join(CONF, `${conf}.conf`)}`],
    environment: { STORY_DIR: dir, ...environment },
  });
}
