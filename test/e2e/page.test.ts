import type { Browser, Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { launchBrowser, visit } from '../support/browser.ts';
import { eventually, timed } from '../support/deadline.ts';
import { withExporter } from '../support/exporter.ts';
import { freePort } from '../support/ports.ts';
import { Supervisord } from '../support/supervisord.ts';
import { step } from '../support/wire.ts';

const page = suite('page');

const WIDE = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };

let browser: Browser;
let supervisord: Supervisord;

page.before(async () => {
  supervisord = new Supervisord({ conf: 'life' }, await freePort());
  browser = await launchBrowser();
  await supervisord.until(20_000, (metrics) => {
    assert.is(metrics.value('supervisord_state', { name: 'steady' }), 20);
    assert.is(metrics.value('supervisord_state', { name: 'missing' }), 200);
  });
});

page.after(async () => {
  await browser?.close();
  await supervisord?.stop();
});

page(
  'a crash appears at once without a reload',
  timed(30_000, () =>
    visit(browser, supervisord.url('/'), WIDE, async ({ page, complaints }) => {
      await becomesLive(page);
      await page.evaluate(() => Object.assign(globalThis, { isSamePage: true }));
      assert.is(await cell(page, 'steady', 'state'), 'RUNNING');
      const { pid } = await supervisord.call<{ pid: number }>(
        'supervisor.getProcessInfo',
        'steady',
      );
      assert.is(await cell(page, 'steady', 'pid'), String(pid));
      // A CPU rate needs two readings.
      await eventually(10_000, async () => {
        assert.match(await cell(page, 'steady', 'cpu'), /^\d+\.\d%$/);
        assert.match(await cell(page, 'steady', 'memory'), /^[\d.]+ [KM]iB$/);
      });

      process.kill(pid, 'SIGKILL');
      await eventually(10_000, async () => {
        const transitions = await rowsOf(page, 'transitions', 'steady');
        assert.ok(
          transitions.some((text) => /steady.*RUNNING.*EXITED.*unexpected, SIGKILL/s.test(text)),
          transitions.join('\n'),
        );
        assert.is(await cell(page, 'steady', 'unexpected'), '1');
        assert.match(await cell(page, 'steady', 'exit'), /^SIGKILL, unexpected/);
        assert.match(await cell(page, 'missing', 'exit'), /can't find command/);
        assert.is(await cell(page, 'steady', 'state'), 'RUNNING', 'the process is running again');
        assert.is.not(await cell(page, 'steady', 'pid'), String(pid));
      });
      assert.match(await page.title(), /^\(\d\) supervisor/);
      assert.ok(await page.evaluate(() => 'isSamePage' in globalThis));
      assert.equal(complaints, []);
    }),
  ),
);

page(
  'sorting and filtering survive a reload and the back button',
  timed(30_000, () =>
    visit(browser, supervisord.url('/'), WIDE, async ({ page, complaints }) => {
      await becomesLive(page);
      assert.match(
        (await names(page))[0] ?? '',
        /^(?:failing|missing)$/,
        'processes in trouble come first',
      );

      await page.locator('#head a', { hasText: 'Process' }).click();
      await eventually(5_000, async () => {
        const shown = await names(page);
        assert.equal(shown, [...shown].sort());
        assert.is(shown.length, 7);
      });
      assert.is(await page.locator('th.process[scope=col]').getAttribute('aria-sort'), 'ascending');
      await page.locator('#head a', { hasText: 'Process' }).press('Enter');
      await eventually(5_000, async () => {
        const shown = await names(page);
        assert.equal(shown, [...shown].sort().reverse());
      });
      assert.match(page.url(), /\?sort=-process$/);

      await page.locator('#filter input').fill('ING missing');
      await eventually(5_000, async () => assert.equal(await names(page), ['missing']));
      assert.match(await page.locator('#row-count').innerText(), /1 of 7 processes/);
      await page.reload();
      await becomesLive(page);
      assert.equal(await names(page), ['missing']);
      assert.is(await page.locator('#filter input').inputValue(), 'ING missing');

      await page.locator('#filter input').fill('');
      await page.locator('#states a', { hasText: 'STOPPED' }).click();
      await eventually(5_000, async () => assert.equal(await names(page), ['waiting']));
      await page.goBack();
      await eventually(5_000, async () => assert.is((await names(page)).length, 7));
      assert.equal(complaints, []);
    }),
  ),
);

page(
  'without scripts the page is a plain table with links that sort and filter',
  timed(30_000, () =>
    visit(
      browser,
      supervisord.url('/'),
      { ...WIDE, javaScriptEnabled: false },
      async ({ page, complaints }) => {
        assert.is((await names(page)).length, 7);
        assert.match(await page.locator('#live').innerText(), /As of \d\d:\d\d:\d\d UTC/);
        assert.is(await page.locator('#filter').isVisible(), false);
        assert.ok((await page.locator('#transitions tr').count()) > 5);
        await page.locator('#states a', { hasText: 'STOPPED' }).click();
        assert.equal(await names(page), ['waiting']);
        await page.locator('#states a', { hasText: 'all' }).click();
        await page.locator('#head a', { hasText: 'Process' }).click();
        const shown = await names(page);
        assert.equal(shown, [...shown].sort());
        assert.equal(complaints, []);
      },
    ),
  ),
);

page(
  'a phone need not scroll sideways in either colour scheme',
  timed(30_000, async () => {
    const backgrounds: string[] = [];
    for (const colorScheme of ['light', 'dark'] as const) {
      await visit(
        browser,
        supervisord.url('/'),
        { ...PHONE, colorScheme },
        async ({ page, complaints }) => {
          await becomesLive(page);
          const width = await page.evaluate('document.documentElement.scrollWidth');
          assert.ok(Number(width) <= PHONE.viewport.width, `${width}`);
          assert.is((await names(page)).length, 7);
          backgrounds.push(
            String(await page.evaluate('getComputedStyle(document.body).backgroundColor')),
          );
          assert.equal(complaints, []);
        },
      );
    }
    const [light = 0, dark = 255] = backgrounds.map((ground) => Number(/\d+/.exec(ground)));
    assert.ok(light > 200 && dark < 60, backgrounds.join(', '));
  }),
);

page(
  'hostile names are shown as text, and a long name does not widen the page',
  timed(30_000, () =>
    withExporter({}, async (exporter) => {
      const names = [
        '<script>window.hacked=1</script>',
        '<img/src=x/onerror=alert(1)>',
        '"onmouseover="alert(1)',
        '&lt;b&gt;',
        'x'.repeat(300),
        '\u202egnp.exe',
      ];
      const events = names.map((name, serial) =>
        step(serial, `group:${name}`, 'STARTING>RUNNING', 'pid:1'),
      );
      await exporter.tell(...events.slice(0, 3));
      await visit(browser, exporter.url('/'), PHONE, async ({ page, complaints }) => {
        await becomesLive(page);
        // Half of the names arrive with the document and half with the stream.
        await exporter.tell(...events.slice(3));
        await eventually(5_000, async () => {
          const shown = await page.locator('#rows bdi').allTextContents();
          assert.equal(shown.sort(), names.map((name) => `group:${name}`).sort());
        });
        assert.is((await rowsOf(page, 'transitions', '')).length, names.length);
        assert.is(await page.locator('img, body script').count(), 0);
        assert.is(await page.evaluate('window.hacked'), undefined);
        const width = await page.evaluate('document.documentElement.scrollWidth');
        assert.ok(Number(width) <= PHONE.viewport.width, `${width}`);
        assert.equal(complaints, []);
      });
    }),
  ),
);

page(
  'the page shows that it is not live and reconnects',
  timed(40_000, () =>
    visit(browser, supervisord.url('/'), WIDE, async ({ page }) => {
      await becomesLive(page);
      const { pid } = await supervisord.call<{ pid: number }>(
        'supervisor.getProcessInfo',
        'exporter',
      );
      process.kill(pid, 'SIGKILL');
      await eventually(10_000, async () =>
        assert.match(await page.locator('#live').innerText(), /^Not live, as of \d\d:\d\d:\d\d/),
      );
      await becomesLive(page, 20_000);
      assert.is.not(await cell(page, 'exporter', 'pid'), String(pid));
    }),
  ),
);

function becomesLive(page: Page, ms = 10_000): Promise<void> {
  return eventually(ms, async () => assert.is(await page.locator('#live').innerText(), 'Live'));
}

/** The names of the shown processes, in order. */
function names(page: Page): Promise<string[]> {
  return page.locator('#rows bdi').allTextContents();
}

function rowsOf(page: Page, table: 'rows' | 'transitions', name: string): Promise<string[]> {
  return page.locator(`#${table} tr`, { hasText: name }).allTextContents();
}

async function cell(page: Page, name: string, column: string): Promise<string> {
  const row = page.locator('#rows tr', { has: page.locator(`bdi:text-is("${name}")`) });
  return (await row.locator(`td.${column}`).innerText()).trim();
}

page.run();
