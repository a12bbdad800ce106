/** `npm run dashboard` writes the Grafana dashboard again. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dashboardText } from './dashboard/build.ts';
import { ROOT } from './setup.ts';

writeFileSync(join(ROOT, 'grafana/supervisor-exporter.json'), dashboardText());
