/** A picture of the states over the last hour: of one process, or of all processes of a group. */

import { h, type Markup } from './markup.ts';
import {
  decodeTimeline,
  STEPS,
  stepOf,
  TIMELINE_STATES,
  type Timeline,
  type TimelineState,
} from './timeline.ts';

/** From bottom to top: states that need attention are at the upper edge. */
const STACK: readonly TimelineState[] = [
  'RUNNING',
  'STOPPED',
  'STARTING',
  'STOPPING',
  'EXITED',
  'UNEXPECTED',
  'BACKOFF',
  'FATAL',
  'UNKNOWN',
];

/** Units of the drawing; one step is one unit wide. */
const HEIGHT = 24;
/** One process of a thousand is still visible. */
const MIN_HEIGHT = 6;

/** `timelines` as encodeTimeline writes them. */
export function strip(timelines: readonly string[], now: number): Markup {
  const end = stepOf(now) + 1;
  const [only] = timelines;
  if (only === undefined || timelines.length > 1) return drawing(timelines, end);
  // Most processes have had one state for an hour, so that their strips are the same.
  const key = visiblePart(decoded(only), end);
  const known = DRAWINGS.get(key);
  if (known !== undefined) return known;
  const drawn = drawing(timelines, end);
  if (DRAWINGS.size >= MAX_CACHED) DRAWINGS.clear();
  DRAWINGS.set(key, drawn);
  return drawn;
}

const MAX_CACHED = 5_000;
const DRAWINGS = new Map<string, Markup>();

/** What of a timeline is within the last hour, as distances from its end. */
function visiblePart(timeline: Timeline, end: number): string {
  let text = '';
  for (let at = 0; at < timeline.length; at += 2) {
    if ((timeline[at + 2] ?? end) <= end - STEPS) continue;
    text += `${clamp((timeline[at] ?? 0) - end + STEPS)}.${timeline[at + 1]} `;
  }
  return text;
}

function drawing(timelines: readonly string[], end: number): Markup {
  const columns = columnsOf(timelines, end);
  return h(
    'svg',
    {
      class: 'strip',
      viewBox: `0 0 ${STEPS} ${HEIGHT}`,
      preserveAspectRatio: 'none',
      role: 'img',
    },
    // A pointer shows it, and a screen reader reads it.
    h('title', {}, describe(columns, timelines.length)),
    ...draw(columns),
  );
}

/** How many processes were in each state during each step. */
type Columns = readonly Float64Array[];

function columnsOf(timelines: readonly string[], end: number): Columns {
  const counts = TIMELINE_STATES.map(() => new Float64Array(STEPS + 1));
  for (const text of timelines) count(decoded(text), end, counts);
  // Until here they hold the difference to the step before.
  for (const row of counts) {
    for (let step = 1; step < STEPS; step++) row[step] = (row[step] ?? 0) + (row[step - 1] ?? 0);
  }
  return counts;
}

function count(timeline: Timeline, end: number, counts: readonly Float64Array[]): void {
  for (let at = 0; at < timeline.length; at += 2) {
    const from = clamp((timeline[at] ?? 0) - end + STEPS);
    const to = clamp((timeline[at + 2] ?? end) - end + STEPS);
    if (to <= from) continue;
    for (let states = timeline[at + 1] ?? 0, state = 0; states > 0; states >>= 1, state += 1) {
      const row = counts[state];
      if ((states & 1) === 0 || row === undefined) continue;
      row[from] = (row[from] ?? 0) + 1;
      row[to] = (row[to] ?? 0) - 1;
    }
  }
}

function clamp(step: number): number {
  return Math.min(Math.max(step, 0), STEPS);
}

/** A timeline is drawn many times between two changes. */
const TIMELINES = new Map<string, Timeline>();

function decoded(text: string): Timeline {
  const known = TIMELINES.get(text);
  if (known !== undefined) return known;
  if (TIMELINES.size >= MAX_CACHED) TIMELINES.clear();
  const timeline = decodeTimeline(text);
  TIMELINES.set(text, timeline);
  return timeline;
}

/** One path for each state, of a rectangle for each run of equal steps. */
function draw(columns: Columns): Markup[] {
  const paths = new Map<TimelineState, string>();
  for (let from = 0; from < STEPS; ) {
    let to = from + 1;
    while (to < STEPS && columns.every((row) => row[to] === row[from])) to += 1;
    const isKnown = columns.some((row) => (row[from] ?? 0) > 0);
    let bottom = HEIGHT;
    for (const [state, height] of isKnown ? heights(columns, from) : []) {
      bottom -= height;
      const d = `M${from} ${bottom}h${to - from}v${height}h${from - to}z`;
      paths.set(state, (paths.get(state) ?? '') + d);
    }
    from = to;
  }
  return STACK.flatMap((state) => {
    const d = paths.get(state);
    return d === undefined ? [] : [h('path', { class: state, d })];
  });
}

/** Shares of the height as whole units. Rare states get a minimum, taken from the most frequent state. */
function heights(columns: Columns, step: number): (readonly [TimelineState, number])[] {
  const counts = STACK.map(
    (state) => [state, columns[TIMELINE_STATES.indexOf(state)]?.[step] ?? 0] as const,
  ).filter(([, count]) => count > 0);
  const sum = counts.reduce((total, [, count]) => total + count, 0);
  const least = Math.min(MIN_HEIGHT, Math.floor(HEIGHT / counts.length));
  const shares = counts.map(([, count]) => Math.max(Math.round((HEIGHT * count) / sum), least));
  let rest = HEIGHT - shares.reduce((total, share) => total + share, 0);
  for (; rest !== 0; rest -= Math.sign(rest)) {
    const largest = shares.indexOf(Math.max(...shares));
    shares[largest] = (shares[largest] ?? 0) + Math.sign(rest);
  }
  return counts.map(([state], index) => [state, shares[index] ?? 0] as const);
}

/** The text alternative: `last hour: RUNNING in all 120 half minutes`. */
function describe(columns: Columns, processes: number): string {
  const seen = STACK.map((state) => {
    const row = columns[TIMELINE_STATES.indexOf(state)] ?? [];
    return [state, row.slice(0, STEPS).filter((count) => count > 0).length] as const;
  }).filter(([, steps]) => steps > 0);
  const known = Array.from({ length: STEPS }, (_, step) => step).filter((step) =>
    columns.some((row) => (row[step] ?? 0) > 0),
  ).length;
  const [only] = seen;
  if (only === undefined) return 'Last hour: not known';
  const of = processes === 1 ? '' : `, ${processes} processes`;
  if (seen.length === 1) return `Last ${minutes(known)}${of}: ${wordOf(only[0])} throughout`;
  const parts = seen.map(
    ([state, steps]) => `${wordOf(state)} in ${steps} of ${known} half minutes`,
  );
  return `Last ${minutes(known)}${of}: ${parts.join(', ')}`;
}

function wordOf(state: TimelineState): string {
  return state === 'UNEXPECTED' ? 'EXITED unexpectedly' : state;
}

function minutes(steps: number): string {
  return steps === STEPS ? 'hour' : `${Math.ceil(steps / 2)} min`;
}
