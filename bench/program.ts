/** What is measured: the built program. */

import { fileURLToPath } from 'node:url';

export const PROGRAM = fileURLToPath(new URL('../dist/supervisor-exporter.cjs', import.meta.url));
