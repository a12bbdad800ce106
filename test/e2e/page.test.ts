import type { Browser, Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { becomesLive, launchBrowser, visit } from '../support/browser.ts';
import { eventually, timed } from '../support/deadline.ts';
import { withExporter } from '../support/exporter.ts';
import { detailOfScene, sceneOf } from '../support/page-scenes.ts';
import { PageServer } from '../support/page-server.ts';
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
      await eventually(15_000, async () => {
        const shown = await names(page);
        assert.equal(shown, [...shown].sort());
        assert.is(shown.length, 7);
      });
      assert.is(await page.locator('th.process[scope=col]').getAttribute('aria-sort'), 'ascending');
      await page.locator('#head a', { hasText: 'Process' }).press('Enter');
      await eventually(15_000, async () => {
        const shown = await names(page);
        assert.equal(shown, [...shown].sort().reverse());
      });
      assert.match(page.url(), /\?sort=-process$/);

      await page.locator('#tools input[type=search]').fill('ING missing');
      await eventually(15_000, async () => assert.equal(await names(page), ['missing']));
      assert.match(await page.locator('#row-count').innerText(), /1 of 7 processes match/);
      await page.reload();
      await becomesLive(page);
      assert.equal(await names(page), ['missing']);
      assert.is(await page.locator('#tools input[type=search]').inputValue(), 'ING missing');

      await page.locator('#tools input[type=search]').fill('');
      await eventually(15_000, async () => assert.is((await names(page)).length, 7));
      // By keyboard: the links of the states move when those of other states appear.
      await page.locator('#states a', { hasText: 'STOPPED' }).press('Enter');
      await eventually(15_000, async () => assert.equal(await names(page), ['waiting']));
      await page.goBack();
      await eventually(15_000, async () => assert.is((await names(page)).length, 7));
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
        assert.ok((await page.locator('#transitions tr').count()) > 5);
        await page.locator('#states a', { hasText: 'STOPPED' }).click();
        assert.equal(await names(page), ['waiting']);
        await page.locator('#states a', { hasText: 'all' }).click();
        await page.locator('#head a', { hasText: 'Process' }).click();
        const shown = await names(page);
        assert.equal(shown, [...shown].sort());
        await page.locator('#tools input[type=search]').fill('wait');
        await page.locator('#tools button').click();
        assert.equal(await names(page), ['waiting']);
        await page.locator('#rows a', { hasText: 'waiting' }).click();
        assert.match(await page.locator('#detail').innerText(), /supervisorctl restart waiting/);
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
      await visit(browser, exporter.url('/?flat=1'), PHONE, async ({ page, complaints }) => {
        await becomesLive(page);
        // Half of the names arrive with the document and half with the stream.
        await exporter.tell(...events.slice(3));
        await eventually(15_000, async () => {
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

page(
  'a group opens and closes with the keyboard and keeps the focus',
  timed(30_000, async () => {
    const now = Date.now() / 1000;
    const server = await PageServer.start(sceneOf(60, now));
    try {
      await visit(browser, server.url('/'), WIDE, async ({ page }) => {
        await becomesLive(page);
        const toggle = page.locator('#rows a.toggle', { hasText: 'celery' });
        const before = (await names(page)).length;
        await toggle.focus();
        await page.keyboard.press('Enter');
        await eventually(15_000, async () => {
          assert.is((await names(page)).length, before + 16);
          assert.is(await toggle.getAttribute('aria-expanded'), 'true');
        });
        // The group moves to the front, since one of its processes is FATAL.
        const [fatal] = sceneOf(1, now).rows;
        if (fatal === undefined) throw new Error('no row');
        server.send({ now, rows: [{ ...fatal, group: 'celery', name: 'celery-3' }] });
        await eventually(15_000, async () => {
          assert.match((await names(page))[0] ?? '', /^celery$/);
        });
        assert.match(String(await page.evaluate('document.activeElement.textContent')), /^celery/);
        await page.keyboard.press('Enter');
        await eventually(15_000, async () => assert.is((await names(page)).length, before));
      });
    } finally {
      server.close();
    }
  }),
);

page(
  'a click on a process shows its detail, and the way back restores filter and focus',
  timed(30_000, async () => {
    const server = await PageServer.start(sceneOf(60));
    server.addDetail(detailOfScene());
    try {
      await visit(browser, server.url('/?q=celery-default'), WIDE, async ({ page, complaints }) => {
        await becomesLive(page);
        await page.locator('#rows a', { hasText: 'celery-default-0' }).click();
        await eventually(15_000, async () => {
          const text = await page.locator('#detail').innerText();
          assert.match(text, /SIGSEGV, core dumped/);
          assert.match(text, /supervisorctl tail -f celery-default:celery-default-0/);
          assert.match(text, /Traceback/);
          assert.is(await page.evaluate('document.activeElement.id'), 'detail-title');
        });
        assert.is(await page.locator('#overview').isVisible(), false);
        await page.locator('#detail a', { hasText: 'All processes' }).click();
        await eventually(15_000, async () => {
          assert.equal(await names(page), ['celery-default:celery-default-0']);
          const focused = await page.evaluate('document.activeElement.textContent');
          assert.is(focused, 'celery-default:celery-default-0');
        });
        assert.equal(complaints, []);
      });
    } finally {
      server.close();
    }
  }),
);

page(
  'only a live stream of a synced table is green',
  timed(30_000, async () => {
    const scene = sceneOf(5);
    const server = await PageServer.start(scene);
    try {
      await visit(browser, server.url('/'), WIDE, async ({ page }) => {
        await becomesLive(page);
        const states = [
          [{ isSynced: false }, 'lost', /^Not synced$/],
          [{ rpc: { failure: 'refused' } }, 'lost', /^supervisord does not answer$/],
          [{ rpc: 'none', isSynced: false }, 'doubt', /^Live, from events only$/],
          [{ isStalled: true }, 'lost', /^supervisord does not run$/],
          [
            { rpc: 'pending', isSynced: false, waitingSince: scene.now - 12 },
            'doubt',
            /^Waiting for supervisord$/,
          ],
          [{}, 'live', /^Live$/],
        ] as const;
        for (const [context, className, text] of states) {
          server.show({ ...scene, context: { ...scene.context, ...context } });
          await eventually(15_000, async () => {
            assert.match(await page.locator('#live').innerText(), text);
            assert.is(await page.locator('#live').getAttribute('class'), className);
          });
        }
      });
    } finally {
      server.close();
    }
  }),
);

page(
  'the notice of unexpected exits filters, and is dismissed until the next exit',
  timed(30_000, async () => {
    const scene = sceneOf(60);
    const server = await PageServer.start(scene);
    try {
      await visit(browser, server.url('/'), WIDE, async ({ page }) => {
        await becomesLive(page);
        const warnings = page.locator('#warnings');
        await warnings.locator('a', { hasText: 'exited unexpectedly' }).click();
        await eventually(15_000, async () => {
          assert.equal(await names(page), ['celery-default:celery-default-0']);
        });
        await warnings.locator('a', { hasText: 'Dismiss' }).click();
        await eventually(15_000, async () => assert.is(await warnings.innerText(), ''));
        const row = scene.rows.find(({ name }) => name === 'celery-default-0');
        if (row === undefined) throw new Error('no row');
        server.send({ now: scene.now + 5, rows: [{ ...row, lastUnexpectedExit: scene.now + 5 }] });
        await eventually(15_000, async () => {
          assert.match(await warnings.innerText(), /1 process has exited unexpectedly/);
        });
      });
    } finally {
      server.close();
    }
  }),
);

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
