import type { Browser, Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Row } from '../../src/web/page/view.ts';
import { becomesLive, launchBrowser, visit } from '../support/browser.ts';
import { eventually, timed } from '../support/deadline.ts';
import { row, view } from '../support/page.ts';
import { PageServer } from '../support/page-server.ts';

const page = suite('page with many processes');

const COUNT = 500;

/** Looking at every row takes time that the page then lacks. */
const EVERY_MS = 500;

let browser: Browser;

page.before(async () => {
  browser = await launchBrowser();
});

page.after(() => browser?.close());

page(
  'every row is updated when all have changed: those on the screen first, wherever it is scrolled to',
  timed(90_000, () =>
    withPage('/?flat=1', async (page, server) => {
      server.send({ now: 10_001, rows: rowsWith(() => 1) });
      await eventually(10_000, async () => assert.is(await exitsOf(page, 0), '1'));

      // So soon that most rows off the screen are not yet updated.
      server.send({ now: 10_002, rows: rowsWith(() => 2) });
      await eventually(10_000, async () => assert.is(await exitsOf(page, 0), '2'));
      await page.evaluate('scrollTo(0, document.body.scrollHeight)');
      await eventually(10_000, async () => assert.is(await lastOnScreen(page), '2'));

      await eventually(
        40_000,
        async () => {
          const exits = await allExits(page);
          assert.equal([exits.length, ...new Set(exits)], [COUNT, '2']);
        },
        EVERY_MS,
      );
    }),
  ),
);

page(
  'rows that move stay the same elements, and end in order',
  timed(90_000, () =>
    withPage('/?flat=1&sort=-exits', async (page, server) => {
      await page.evaluate(
        `document.querySelectorAll('#rows > *').forEach((row) => { row.isOld = true; })`,
      );
      // A few to the top, a few to the bottom, and then every one to another place.
      for (const exitsAt of [
        (at: number) => (at % 100 === 7 ? 9 : at < 5 ? 0 : 1),
        (at: number) => (at * 617) % COUNT,
      ]) {
        server.send({ now: 10_001, rows: rowsWith(exitsAt) });
        const wanted = Array.from({ length: COUNT }, (_, at) => exitsAt(at))
          .sort((one, other) => other - one)
          .map(String);
        await eventually(40_000, async () => assert.equal(await allExits(page), wanted), EVERY_MS);
      }
      const kept = `[...document.querySelectorAll('#rows > *')].filter((row) => row.isOld).length`;
      assert.is(await page.evaluate(kept), COUNT);
    }),
  ),
);

async function withPage(
  path: string,
  body: (page: Page, server: PageServer) => Promise<void>,
): Promise<void> {
  const server = await PageServer.start(view(rowsWith(() => 0)));
  try {
    const options = { viewport: { width: 1280, height: 800 } };
    await visit(browser, server.url(path), options, async ({ page, complaints }) => {
      await becomesLive(page);
      await body(page, server);
      assert.equal(complaints, []);
    });
  } finally {
    server.close();
  }
}

function rowsWith(exitsAt: (index: number) => number): readonly Row[] {
  return Array.from({ length: COUNT }, (_, index) => {
    const name = `p${String(index).padStart(4, '0')}`;
    return row(`${name}:${name}`, { exits: exitsAt(index), since: 9_000 });
  });
}

const EXITS = '#rows td.exits';

const allExits = (page: Page) =>
  page.evaluate<string[]>(
    `[...document.querySelectorAll('${EXITS}')].map((cell) => cell.textContent)`,
  );

const exitsOf = async (page: Page, at: number) => (await allExits(page))[at];

const lastOnScreen = (page: Page) =>
  page.evaluate<string | undefined>(
    `[...document.querySelectorAll('${EXITS}')].findLast((cell) => cell.getBoundingClientRect().top < innerHeight)?.textContent`,
  );

page.run();
