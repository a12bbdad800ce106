import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Notifier } from '../../src/alertmanager/notifier.ts';
import { ChangeFeed } from '../../src/processes/changes.ts';
import { ALL_PROCESSES } from '../../src/processes/selection.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import { createLogger } from '../../src/util/log.ts';
import { parseHttpUrl } from '../../src/util/url.ts';
import { eventually, timed } from '../support/deadline.ts';
import { event } from '../support/facts.ts';

const notifier = suite('notifier');

notifier(
  'the event loop keeps running while thousands of alerts are written',
  timed(30_000, async () => {
    const table = new ProcessTable({ looksUpReasons: false });
    const now = Date.now() / 1000;
    for (let nth = 0; nth < 3_000; nth++) {
      table.apply(event(nth, `many:many-${nth}`, 'BACKOFF>FATAL'), now);
    }
    let turn = 0;
    const counting = setInterval(() => {});
    const count = () => {
      turn += 1;
      if (counting.hasRef()) setImmediate(count);
    };
    setImmediate(count);
    /** In which turn of the event loop each alert was written. */
    const turns: number[] = [];
    const stopping = new AbortController();
    const closed = parseHttpUrl('http://127.0.0.1:1');
    new Notifier({
      urls: closed === undefined ? [] : [closed],
      readHttpConfig: undefined,
      payload: { labels: {}, runbookUrl: '' },
      table,
      changes: new ChangeFeed(),
      selection: ALL_PROCESSES,
      log: createLogger('error', 'logfmt', () => {}),
      exitReasons: false,
      logTailOf: () => {
        turns.push(turn);
        return undefined;
      },
      signal: stopping.signal,
    });
    try {
      await eventually(20_000, () => assert.ok(turns.length >= 3_000));
    } finally {
      stopping.abort();
      counting.unref();
      clearInterval(counting);
    }
    assert.ok(new Set(turns).size > 5, `${new Set(turns).size} turns`);
  }),
);

notifier.run();
