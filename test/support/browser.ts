/** A real Chromium, and what a page does in it that it should not. */

import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { eventually } from './deadline.ts';

export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

export interface Visit {
  readonly page: Page;
  /** Messages on the console, errors, violations of the policy, and requests to elsewhere. */
  readonly complaints: readonly string[];
}

/** Opens a page in a context of its own, and closes it whatever `body` does. */
export async function visit(
  browser: Browser,
  url: string,
  options: BrowserContextOptions,
  body: (visit: Visit) => Promise<void>,
): Promise<void> {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(10_000);
  try {
    const page = await context.newPage();
    const complaints: string[] = [];
    // Chromium reports violations of the Content-Security-Policy here, too.
    page.on('console', (message) => complaints.push(`console: ${message.text()}`));
    page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
    page.on('dialog', (dialog) => complaints.push(`dialog: ${dialog.message()}`));
    page.on('request', (request) => {
      const { origin } = new URL(request.url());
      if (origin !== new URL(url).origin) complaints.push(`request: ${request.url()}`);
    });
    await page.goto(url);
    await body({ page, complaints });
  } finally {
    await context.close();
  }
}

/** Waits until the script of the page follows the stream. */
export function becomesLive(page: Page, ms = 10_000): Promise<void> {
  return eventually(ms, async () => {
    const status = await page.locator('#live').innerText();
    if (!status.startsWith('Live')) throw new Error(status);
  });
}
