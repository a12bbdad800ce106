/** `npm run docs` writes the generated documents again. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { benchTable } from './benches.ts';
import { writeBlock } from './document-block.ts';
import { withFlagsTable } from './flags-table.ts';
import { metricsDocument } from './metrics-document.ts';
import { ROOT } from './setup.ts';

const exposition = readFileSync(join(ROOT, 'test/golden/metrics.txt'), 'utf8');
writeFileSync(join(ROOT, 'docs/metrics.md'), metricsDocument(exposition));

const configuration = join(ROOT, 'docs/configuration.md');
writeFileSync(configuration, withFlagsTable(readFileSync(configuration, 'utf8')));

writeBlock('bench/README.md', 'benches', benchTable());
