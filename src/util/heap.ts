/** V8's heap, for a program that is small, steady and always there. */

import { setFlagsFromString } from 'node:v8';

/**
 * Garbage is collected while there is little of it, and the space for what is young stays
 * at its first 1 MB. Left to itself V8 lets a few MB of live data grow to 40, in the hope
 * to save time.
 */
const FLAGS = ['--optimize-for-size', '--semi-space-growth-factor=1'];

export function keepHeapSmall(): void {
  for (const flag of FLAGS) setFlagsFromString(flag);
}
