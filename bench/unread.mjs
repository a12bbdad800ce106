/** The fastest listener there can be in Node: acknowledges whatever comes, unread. */

import { writeSync } from 'node:fs';

const STDOUT = 1;

writeSync(STDOUT, 'READY\n');
process.stdin.on('data', () => writeSync(STDOUT, 'RESULT 2\nOKREADY\n'));
