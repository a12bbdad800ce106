/** `npm run screenshot` writes docs/page.png: the page of the demo after its first exits. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { becomesLive, launchBrowser } from '../test/support/browser.ts';
import { eventually } from '../test/support/deadline.ts';
import { freePort } from '../test/support/ports.ts';
import { needSystemPackages, ROOT } from './setup.ts';

/** Long enough for a few exits and failed starts in the strips of the last hour. */
const DEMO_MS = 60_000;
const VIEWPORT = { width: 1280, height: 720 };

needSystemPackages(['chromium']);
const port = await freePort();
const demo = spawn('npm', ['start', '--', `--web.listen-address=127.0.0.1:${port}`], {
  cwd: ROOT,
  stdio: 'ignore',
  detached: true,
});
const browser = await launchBrowser();
try {
  const page = await browser.newPage({ viewport: VIEWPORT });
  await eventually(60_000, () => page.goto(`http://127.0.0.1:${port}/`));
  await becomesLive(page);
  await page.waitForTimeout(DEMO_MS);
  await page.screenshot({ path: join(ROOT, 'docs/page.png') });
} finally {
  await browser.close();
  if (demo.pid !== undefined) process.kill(-demo.pid, 'SIGTERM');
  if (demo.exitCode === null) await once(demo, 'exit');
}
