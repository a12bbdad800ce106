import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { becomesLive, launchBrowser, visit } from '../support/browser.ts';
import { eventually, timed } from '../support/deadline.ts';
import { detailOfScene, LONG_NAME, sceneOf } from '../support/page-scenes.ts';
import { PageServer } from '../support/page-server.ts';

const page = suite('page layout');

const WIDE = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };

let browser: Browser;

page.before(async () => {
  browser = await launchBrowser();
});

page.after(() => browser?.close());

const WIDTHS = [320, 390, 820, 960, 1024, 1280, 1440, 2560];

for (const count of [5, 60, 500]) {
  page(
    `nothing is wider than the window with ${count} processes, long names and long errors`,
    timed(60_000, async () => {
      const server = await PageServer.start(sceneOf(count));
      server.addDetail(detailOfScene());
      try {
        for (const path of ['/', '/?flat=1', '/?process=celery-default:celery-default-0']) {
          await visit(browser, server.url(path), {}, async ({ page }) => {
            await becomesLive(page);
            for (const width of WIDTHS) {
              await page.setViewportSize({ width, height: 800 });
              const wide = await page.evaluate('document.documentElement.scrollWidth');
              assert.is(wide, width, `${path} at ${width}`);
              assert.equal(await page.evaluate(OVERFLOWING), [], `${path} at ${width}`);
            }
          });
        }
      } finally {
        server.close();
      }
    }),
  );
}

/** Texts that run out of their cell, card or notice. */
const OVERFLOWING = `[...document.querySelectorAll('th, td, li, dd, p, h1, h2, .reason')]
  .filter((element) => element.offsetParent !== null && element.scrollWidth > element.clientWidth + 1
    && getComputedStyle(element).display !== 'inline')
  .map((element) => element.outerHTML.slice(0, 100))`;

page(
  'columns keep their places while filtering, and a long name keeps its end',
  timed(30_000, async () => {
    const server = await PageServer.start(sceneOf(60));
    try {
      await visit(browser, server.url('/'), WIDE, async ({ page }) => {
        await becomesLive(page);
        const places = () =>
          page.evaluate(`[...document.querySelectorAll('#head th')].map((one) => one.offsetLeft)`);
        const before = await places();
        for (const text of ['missing', 'celery-7', 'nothing at all', '']) {
          await page.locator('#tools input[type=search]').fill(text);
          await eventually(15_000, async () => assert.equal(await places(), before));
        }
        // The rows appear in the next animation frame.
        await page.locator('#rows .long').first().waitFor();
        const end = await page.evaluate(`(() => {
          const name = document.querySelector('#rows .long').getBoundingClientRect();
          const end = document.querySelector('#rows .long :last-child');
          return { text: end.textContent, isInside: end.getBoundingClientRect().right <= name.right + 1 };
        })()`);
        assert.equal(end, { text: LONG_NAME.slice(-16), isInside: true });
      });
    } finally {
      server.close();
    }
  }),
);

for (const colorScheme of ['light', 'dark'] as const) {
  page(
    `axe-core finds no violation in the ${colorScheme} scheme`,
    timed(120_000, async () => {
      const server = await PageServer.start(sceneOf(60));
      server.addDetail(detailOfScene());
      try {
        for (const path of [
          '/',
          '/?flat=1&q=nothing+at+all',
          '/?process=celery-default:celery-default-0',
        ]) {
          for (const viewport of [WIDE.viewport, PHONE.viewport]) {
            // The policy of the real page forbids what axe-core does; see the protocol tests for it.
            const options = { viewport, colorScheme, bypassCSP: true };
            await visit(browser, server.url(path), options, async ({ page }) => {
              await becomesLive(page);
              assert.equal(await violations(page), [], `${path} at ${viewport.width}`);
            });
          }
        }
      } finally {
        server.close();
      }
    }),
  );
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

async function violations(page: Page): Promise<unknown> {
  await page.evaluate(AXE);
  return page.evaluate(`axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>
    violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).slice(0, 3).join(' ')))`);
}

page.run();
