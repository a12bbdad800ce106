import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';

const golden = suite('golden /metrics');

golden('promtool finds nothing in the golden file', () => {
  const text = readFileSync(new URL('../golden/metrics.txt', import.meta.url), 'utf8');
  // Names and types of node_exporter are kept although the linter objects to one of them.
  const own = text.split('\n').filter((line) => !line.includes('node_supervisord_'));
  execFileSync('promtool', ['check', 'metrics'], { input: own.join('\n') });
});

golden.run();
