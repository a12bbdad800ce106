/** Runs `supervisor-exporter doctor` and parses its report. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { within } from './deadline.ts';
import { PROGRAM } from './exporter.ts';
import type { Supervisord } from './supervisord.ts';

export interface Report {
  readonly code: number | null;
  readonly text: string;
  /** The checks that are not ok, as `FAIL events`. */
  readonly problems: readonly string[];
}

export interface DoctorOptions {
  readonly args?: readonly string[];
  readonly environment?: NodeJS.ProcessEnv;
  readonly program?: string;
  /** Both the user's and the group's number. */
  readonly user?: number;
}

export async function runDoctor(options: DoctorOptions): Promise<Report> {
  const child = spawn(
    process.execPath,
    [options.program ?? PROGRAM, 'doctor', ...(options.args ?? [])],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], ...options.environment },
      ...(options.user === undefined ? {} : { uid: options.user, gid: options.user }),
    },
  );
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
  }
  const [code] = await within(15_000, 'doctor', once(child, 'close'));
  const problems = [...text.matchAll(/^(FAIL|warn) +([a-z_.-]+(?: [a-z_-]+)*) {2}/gm)].map(
    ([, level, check]) => `${level} ${check}`,
  );
  return { code, text, problems };
}

/** Runs doctor on the supervisord of a test. */
export function checkSupervisord(
  { dir, confFile }: Supervisord,
  environment: NodeJS.ProcessEnv = {},
): Promise<Report> {
  return runDoctor({
    args: [`--supervisor.config=${confFile}`],
    environment: { STORY_DIR: dir, STORY_LOG_LEVEL: 'info', ...environment },
  });
}
