import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { toHtml } from '../../src/web/page/markup.ts';
import { strip } from '../../src/web/page/strip.ts';
import {
  bitOf,
  decodeTimeline,
  encodeTimeline,
  enterState,
  lastStateOf,
  STEP_SECONDS,
  STEPS,
  startTimeline,
  stepOf,
  TIMELINE_STATES,
  type Timeline,
  type TimelineState,
} from '../../src/web/page/timeline.ts';

const page = suite('page timeline');

interface Entry {
  readonly state: TimelineState;
  readonly after: number;
}

const ENTRIES = fc.array(
  fc.record({
    state: fc.constantFrom(...TIMELINE_STATES),
    after: fc.oneof(fc.double({ min: 0, max: 100, noNaN: true }), fc.nat(5_000)),
  }),
  { maxLength: 60 },
);

page('each step holds exactly the states that the process was in', () => {
  fc.assert(
    fc.property(ENTRIES, (entries) => {
      const { timeline, stays, end } = record(entries);
      const last = stepOf(end);
      for (let step = last - STEPS + 1; step <= last; step++) {
        assert.is(statesAt(timeline, step), expectedAt(stays, end, step), `step ${step - last}`);
      }
      assert.is(lastStateOf(timeline), normal(stays.at(-1)?.state ?? 'STOPPED'));
    }),
  );
});

page('its size is bounded however often the state changes', () => {
  const timeline = startTimeline('RUNNING', 0);
  for (let at = 0; at < 10 * STEPS * STEP_SECONDS; at += 0.7) {
    enterState(timeline, at % 3 < 1 ? 'UNEXPECTED' : 'RUNNING', at);
  }
  assert.ok(timeline.length <= 2 * (STEPS + 2), `${timeline.length}`);
  assert.ok(encodeTimeline(timeline).length < 40, 'equal neighbours are joined');
});

page('a decoded timeline has the same states', () => {
  fc.assert(
    fc.property(ENTRIES, (entries) => {
      const { timeline, end } = record(entries);
      const decoded = decodeTimeline(encodeTimeline(timeline));
      const last = stepOf(end);
      for (let step = last - STEPS; step <= last; step++) {
        assert.is(statesAt(decoded, step), statesAt(timeline, step));
      }
    }),
  );
});

page('a clock that is set back loses no state', () => {
  const timeline = startTimeline('RUNNING', 10_000);
  enterState(timeline, 'FATAL', 10_100);
  enterState(timeline, 'RUNNING', 500);
  assert.is(lastStateOf(timeline), 'RUNNING');
  assert.is(statesAt(timeline, stepOf(10_100)), bitOf('RUNNING') | bitOf('FATAL'));
});

page('a strip has a text alternative and at most one path for each state', () => {
  const now = 100_000;
  const quiet = encodeTimeline(startTimeline('RUNNING', 0));
  assert.match(toHtml(strip([quiet], now)), /<title>Last hour: RUNNING throughout<\/title>/);
  const flapping = startTimeline('RUNNING', 0);
  for (let at = now - 600; at < now; at += 20) {
    enterState(flapping, 'UNEXPECTED', at);
    enterState(flapping, 'RUNNING', at + 1);
  }
  const html = toHtml(strip([encodeTimeline(flapping)], now));
  assert.match(html, /RUNNING in 120 of 120 half minutes, EXITED unexpectedly in 2\d of 120/);
  assert.is(html.match(/<path /g)?.length, 2);
  assert.match(toHtml(strip([''], now)), /Last hour: not known/);
  const group = toHtml(strip([quiet, quiet, encodeTimeline(flapping)], now));
  assert.match(group, /Last hour, 3 processes: RUNNING in 120/);
});

page('one process of a thousand is seen in the strip of its group', () => {
  const rows = Array.from({ length: 999 }, () => encodeTimeline(startTimeline('RUNNING', 0)));
  rows.push(encodeTimeline(startTimeline('FATAL', 0)));
  const html = toHtml(strip(rows, 100_000));
  const [, height] = /class="FATAL" d="M0 0h120v(\d+)/.exec(html) ?? [];
  assert.ok(Number(height) >= 4, html);
});

page('a strip fills its height exactly', () => {
  const times = fc.array(ENTRIES, { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(times, (all) => {
      const recorded = all.map(record);
      const end = Math.max(...recorded.map((one) => one.end));
      const html = toHtml(
        strip(
          recorded.map(({ timeline }) => encodeTimeline(timeline)),
          end,
        ),
      );
      const heights = new Map<number, number>();
      for (const [, x = '', width = '', height = ''] of html.matchAll(
        /M(\d+) \d+h(\d+)v([\d.]+)h/g,
      )) {
        for (let step = Number(x); step < Number(x) + Number(width); step++) {
          heights.set(step, (heights.get(step) ?? 0) + Number(height));
        }
      }
      for (const height of heights.values()) assert.is(height, 24);
    }),
    { numRuns: 50 },
  );
});

interface Stay {
  readonly state: TimelineState;
  readonly from: number;
}

function record(entries: readonly Entry[]): { timeline: Timeline; stays: Stay[]; end: number } {
  let at = 1_000_000;
  const stays: Stay[] = [{ state: 'STOPPED', from: at }];
  const timeline = startTimeline('STOPPED', at);
  for (const { state, after } of entries) {
    at += after;
    enterState(timeline, state, at);
    stays.push({ state, from: at });
  }
  return { timeline, stays, end: at };
}

function expectedAt(stays: readonly Stay[], end: number, step: number): number {
  let states = 0;
  stays.forEach(({ state, from }, index) => {
    const to = stays[index + 1]?.from ?? end;
    if (stepOf(from) <= step && step <= stepOf(to)) states |= bitOf(state);
  });
  return states;
}

function statesAt(timeline: Timeline, step: number): number {
  let states = 0;
  for (let at = 0; at < timeline.length; at += 2) {
    if ((timeline[at] ?? 0) <= step) states = timeline[at + 1] ?? 0;
  }
  return states;
}

function normal(state: TimelineState): string {
  return state === 'UNEXPECTED' ? 'EXITED' : state;
}

page.run();
