/**
 * The states of a process over the last hour, in steps of half a minute. Each step has the set of
 * states in which the process was, however often, so the size is bounded and a single restart
 * within the hour is still visible.
 */

import { PROCESS_STATES, type ProcessState } from '../../supervisor/states.ts';

export const STEP_SECONDS = 30;
export const STEPS = 120;

/**
 * Pairs of a step (epoch seconds divided by STEP_SECONDS) and a set of states, one bit each. A
 * set holds until the step of the next pair; the last one, a single state, until now.
 */
export type Timeline = number[];

export function stepOf(at: number): number {
  return Math.floor(at / STEP_SECONDS);
}

/** `UNEXPECTED`: EXITED after an exit that was not expected. */
export type TimelineState = ProcessState | 'UNEXPECTED';

export const TIMELINE_STATES: readonly TimelineState[] = [...PROCESS_STATES, 'UNEXPECTED'];

/** The bit of a state is its place in TIMELINE_STATES. */
export function bitOf(state: TimelineState): number {
  return 1 << TIMELINE_STATES.indexOf(state);
}

export function startTimeline(state: TimelineState, since: number): Timeline {
  return [stepOf(since), bitOf(state)];
}

/** Records that the process entered `state`. A time before that of the last change counts as that. */
export function enterState(timeline: Timeline, state: TimelineState, at: number): void {
  const bit = bitOf(state);
  const open = timeline.length - 2;
  const current = timeline[open + 1] ?? 0;
  const openSince = timeline[open] ?? 0;
  const step = stepOf(at);
  if (step < openSince && open >= 2) {
    // In the same step as the change before.
    timeline[open - 1] = (timeline[open - 1] ?? 0) | current | bit;
    timeline[open + 1] = bit;
    return;
  }
  const shared = Math.max(step, openSince);
  if (shared === openSince) timeline.length = open;
  timeline.push(shared, current | bit, shared + 1, bit);
  forget(timeline, shared - STEPS);
}

/** Forgets all that ended at or before `step`. */
function forget(timeline: Timeline, step: number): void {
  let first = 0;
  while ((timeline[first + 2] ?? Number.POSITIVE_INFINITY) <= step) first += 2;
  if (first > 0) timeline.splice(0, first);
}

/** The state at its end; undefined where it is empty. */
export function lastStateOf(timeline: Timeline): ProcessState | undefined {
  const bit = timeline.at(-1);
  const state = bit === undefined ? undefined : TIMELINE_STATES[Math.log2(bit)];
  return state === 'UNEXPECTED' ? 'EXITED' : state;
}

/**
 * As text for the browser: the first step, then the distance from pair to pair. Equal
 * neighbours are joined, so that a process that flaps all the time has a short text.
 */
export function encodeTimeline(timeline: Timeline): string {
  const parts: string[] = [];
  let from = 0;
  let states = -1;
  for (let at = 0; at < timeline.length; at += 2) {
    const [step = 0, set = 0] = [timeline[at], timeline[at + 1]];
    if (set === states) continue;
    parts.push(`${(step - from).toString(36)}.${set.toString(36)}`);
    from = step;
    states = set;
  }
  return parts.join(' ');
}

export function decodeTimeline(text: string): Timeline {
  const timeline: Timeline = [];
  let step = 0;
  for (const part of text.split(' ').filter(Boolean)) {
    const [distance = '', set = ''] = part.split('.');
    step += Number.parseInt(distance, 36);
    timeline.push(step, Number.parseInt(set, 36));
  }
  return timeline;
}
