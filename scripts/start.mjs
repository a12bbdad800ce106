/**
 * `npm start [-- FLAGS]`: a demo supervisord in the foreground, with the exporter as its
 * event listener on port 9876. The flags are the exporter's.
 */

import { spawn } from 'node:child_process';
import { createReadStream, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { needNpmPackages, needSystemPackages, run } from './setup.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

needSystemPackages({ supervisor: ['supervisord', '--version'] });
needNpmPackages();
run(process.execPath, ['scripts/build.mjs']);

const dir = mkdtempSync(join(tmpdir(), 'supervisor-exporter-demo-'));
const flags = process.argv.slice(2);
const port = /--web\.listen-address=\S*:(\d+)/.exec(flags.join(' '))?.[1] ?? '9876';
console.error(`
A demo supervisord with the exporter; end both with Ctrl-C.

  metrics        http://localhost:${port}/metrics
  look and play  supervisorctl -s unix://${dir}/supervisor.sock status
                 supervisorctl -s unix://${dir}/supervisor.sock restart web
`);

const supervisord = spawn('supervisord', ['-c', join(root, 'supervisor/demo.conf')], {
  // A group of its own: the terminal's Ctrl-C would otherwise also reach the programs,
  // and supervisord would restart them while it is asked to end them.
  detached: true,
  stdio: ['ignore', 'inherit', 'inherit'],
  env: {
    ...process.env,
    DEMO_DIR: dir,
    DEMO_EXPORTER: [process.execPath, join(root, 'dist/supervisor-exporter.cjs'), ...flags].join(
      ' ',
    ),
  },
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => supervisord.kill('SIGTERM'));
}
const following = followLog(join(dir, 'exporter.log'));
supervisord.on('error', (error) => {
  console.error(`supervisord: ${error.message}`);
  process.exitCode = 1;
});
supervisord.on('close', (code) => {
  clearInterval(following);
  rmSync(dir, { recursive: true, force: true });
  process.exitCode = code ?? 1;
});

/** Shows what is added to a log, like `tail -F`: the exporter's stderr belongs to supervisord. */
function followLog(path) {
  let shown = 0;
  return setInterval(() => {
    if (!existsSync(path)) return;
    createReadStream(path, { start: shown }).on('data', (chunk) => {
      shown += chunk.length;
      process.stderr.write(chunk);
    });
  }, 300);
}
