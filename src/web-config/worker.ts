/**
 * The thread that compares passwords with their bcrypt hashes, which blocks it for 60 ms or
 * more each time. It is bundled by itself, and the program holds it as a string: the one
 * file has all, and the thread loads nothing but this.
 */

import { parentPort } from 'node:worker_threads';
import { compareSync } from 'bcryptjs';

export interface Question {
  readonly password: string;
  readonly hash: string;
}

parentPort?.on('message', ({ password, hash }: Question) => {
  parentPort?.postMessage(compareSync(password, hash));
});
