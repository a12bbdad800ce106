/** `npm run docs` writes the generated documents again. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { metricsDocument } from './metrics-document.ts';
import { ROOT } from './setup.ts';

const exposition = readFileSync(join(ROOT, 'test/golden/metrics.txt'), 'utf8');
writeFileSync(join(ROOT, 'docs/metrics.md'), metricsDocument(exposition));
