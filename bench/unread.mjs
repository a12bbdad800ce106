/** The fastest possible listener in Node: acknowledges each event without parsing it. */

import { writeSync } from 'node:fs';

const STDOUT = 1;

writeSync(STDOUT, 'READY\n');
process.stdin.on('data', () => writeSync(STDOUT, 'RESULT 2\nOKREADY\n'));
