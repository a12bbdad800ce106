/**
 * The thread that compares passwords with bcrypt hashes; each comparison blocks it for 60 ms or
 * more. It is bundled separately and kept in the program as a string, so that the program stays
 * one file and the thread loads nothing else.
 */

import { parentPort } from 'node:worker_threads';
import { compareSync } from 'bcryptjs';

export interface Comparison {
  readonly password: string;
  readonly hash: string;
}

parentPort?.on('message', ({ password, hash }: Comparison) => {
  parentPort?.postMessage(compareSync(password, hash));
});
