/** Compares what scrapes state about exits with what the witness of supervisord has written. Pure. */

import type { Exposition } from '../test/support/exposition.ts';

interface Stated {
  readonly state: number | undefined;
  /** Ends of runs and failed starts that the exporter has counted. */
  readonly ends: number;
  readonly status: number | undefined;
  readonly signal: number | undefined;
  readonly core: number | undefined;
  readonly oom: number | undefined;
  readonly error: string | undefined;
}

/** Times are epoch seconds. */
export interface Scrape {
  readonly from: number;
  readonly to: number;
  /** When the exporter was started. */
  readonly startedAt: number;
  readonly processes: ReadonlyMap<string, Stated>;
}

/** One line of the witness. */
interface Line {
  readonly at: number;
  readonly event?: number;
  readonly group?: string;
  readonly name?: string;
  readonly was?: string;
  readonly now?: string;
  readonly pid?: number;
  /** The wait status of the run; none where there was no run. */
  readonly status?: number | null;
  readonly error?: string | null;
  /** Of any event; it counts for EXITED. */
  readonly expected?: boolean;
  readonly sent?: number;
  readonly listener?: number;
  readonly snapshot?: boolean;
}

/** The end of a run, a failed start, or a removal of the process. */
interface End {
  readonly number: number;
  readonly at: number;
  readonly how: string;
  /** The wait status of the last run; undefined where there was none since the process was added. */
  readonly status: number | undefined;
  readonly hasRun: boolean;
  readonly error: string | undefined;
}

interface Life {
  readonly pid: number;
  readonly startedAt: number;
  /** The first event that it was sent. */
  first: number;
  readonly received: Set<number>;
  /** By process, and each time that it is removed: what it was sent. */
  readonly spans: Map<string, { readonly from: number; until: number; readonly ends: End[] }[]>;
}

export interface Judgement {
  readonly ends: number;
  readonly seen: number;
  readonly atOnce: number;
  readonly later: number;
  readonly unknown: readonly string[];
  readonly wrong: readonly string[];
}

/** A scrape may begin shortly before or after the event that removes a process. */
const REMOVAL_SECONDS = 3;
/** Of a process whose statement is false. */
const NAMED_ENDS = 8;
const BACKOFF = 30;
const FATAL = 200;

export function scrapeOf(metrics: Exposition, from: number, to: number): Scrape {
  const values = new Map<string, Map<string, number>>();
  const errors = new Map<string, string>();
  const ends = new Map<string, number>();
  for (const { name, labels, value } of metrics.samples) {
    const key = `${labels['group']}:${labels['name']}`;
    if (name === 'supervisord_process_spawn_error_info') errors.set(key, labels['error'] ?? '');
    else if (name === 'supervisord_process_transitions_total') {
      if (isEnd(labels['from'], labels['to'])) ends.set(key, (ends.get(key) ?? 0) + value);
    } else values.set(name, (values.get(name) ?? new Map()).set(key, value));
  }
  const of = (name: string, key: string) => values.get(`supervisord_${name}`)?.get(key);
  const state = values.get('supervisord_state')?.keys() ?? [];
  const processes = [...state].map((key): [string, Stated] => [
    key,
    {
      state: of('state', key),
      ends: ends.get(key) ?? 0,
      status: of('exit_status', key),
      signal: of('exit_signal', key),
      core: of('exit_core_dumped', key),
      oom: of('exit_oom_killed', key),
      error: errors.get(key),
    },
  ]);
  return {
    from,
    to,
    startedAt: metrics.value('process_start_time_seconds') ?? 0,
    processes: new Map(processes),
  };
}

function isEnd(was: string | undefined, now: string | undefined): boolean {
  return now === 'EXITED' || now === 'BACKOFF' || (was === 'STOPPING' && now === 'STOPPED');
}

export class Truth {
  readonly #ends = new Map<string, End[]>();
  readonly #byNumber = new Map<number, { readonly key: string; readonly end: End }[]>();
  readonly #lives: Life[] = [];
  /** When the exporter asked about all processes: it may know ends whose events are still to come. */
  readonly #snapshots: readonly number[];

  constructor(witness: string) {
    const lines = witness.split('\n').slice(0, -1);
    const parsed = lines.map((line) => JSON.parse(line) as Line);
    this.#snapshots = parsed.filter(({ snapshot }) => snapshot).map(({ at }) => at);
    for (const line of parsed) if (line.event !== undefined) this.#happened(line, line.event);
    for (const line of parsed) if (line.sent !== undefined) this.#sent(line, line.sent);
  }

  #startedAt = 0;

  #happened(line: Line, number: number): void {
    const { group = '', name, at, was, now, pid = 0, status, error, expected } = line;
    if (name === undefined) {
      const removal = { number, at, how: 'removed', hasRun: false };
      const keys = [...this.#ends.keys()].filter((key) => key.startsWith(`${group}:`));
      for (const key of keys) this.#add(key, { ...removal, status: undefined, error: undefined });
      return;
    }
    if (name === 'exporter' && now === 'STARTING') this.#startedAt = at;
    if (name === 'exporter' && now === 'RUNNING') {
      const received = new Set<number>();
      const startedAt = this.#startedAt;
      this.#lives.push({ pid, startedAt, first: number, received, spans: new Map() });
    }
    const key = `${group}:${name}`;
    if (!this.#ends.has(key)) this.#ends.set(key, []);
    if (!isEnd(was, now)) return;
    const hasRun = status !== null && status !== undefined;
    this.#add(key, {
      number,
      at,
      how: `${was}>${now}${now === 'EXITED' && expected ? ', expected' : ''}`,
      status: hasRun ? status : this.#ends.get(key)?.at(-1)?.status,
      hasRun,
      error: now === 'BACKOFF' ? (error ?? undefined) : undefined,
    });
  }

  #add(key: string, end: End): void {
    this.#ends.get(key)?.push(end);
    const others = this.#byNumber.get(end.number) ?? [];
    this.#byNumber.set(end.number, [...others, { key, end }]);
  }

  #sent({ at, listener }: Line, number: number): void {
    const life = this.#lives.find(({ pid }) => pid === listener);
    if (life === undefined || life.received.has(number)) return;
    if (life.received.size === 0) life.first = number;
    life.received.add(number);
    for (const { key, end } of this.#byNumber.get(number) ?? []) {
      const spans = spansOf(life, key);
      const last = spans.at(-1);
      if (end.how !== 'removed') last?.ends.push(end);
      else if (last !== undefined) {
        last.until = at;
        spans.push({ from: at, until: Number.POSITIVE_INFINITY, ends: [end] });
      }
    }
  }

  judge(scrapes: readonly Scrape[]): Judgement {
    const seen = new Map<string, { atOnce: boolean; known: boolean; about: string }>();
    const wrong = new Map<string, string>();
    for (const scrape of scrapes) {
      const life = this.#lives.findLast(({ startedAt }) => startedAt <= scrape.startedAt + 1);
      if (life === undefined) throw new Error('a scrape of an exporter that was never sent events');
      for (const [key, stated] of scrape.processes) {
        const possible = this.#possible(life, key, stated, scrape);
        const [end] = possible;
        const id = `${life.pid} ${key} ${end?.number} ${stated.ends}`;
        if (!possible.some((each) => isTrue(stated, each))) {
          wrong.set(id, this.#describeWrong(key, stated, possible, scrape));
        }
        if (end === undefined || stated.ends === 0 || end.how === 'removed') continue;
        const known = isKnown(stated, end);
        const about = `${key} ${(end.at - scrape.startedAt).toFixed(1)} s after the start: ${describe(stated)} of ${describeEnd(end)}`;
        const before = seen.get(id) ?? { atOnce: known, known };
        seen.set(id, { ...before, known: before.known || known, about });
      }
    }
    const all = [...seen.values()];
    const happened = [...this.#ends.values()].flat().filter(({ how }) => how !== 'removed');
    return {
      ends: happened.length,
      seen: all.length,
      atOnce: all.filter(({ atOnce }) => atOnce).length,
      later: all.filter(({ atOnce, known }) => known && !atOnce).length,
      unknown: all.filter(({ known }) => !known).map(({ about }) => about),
      wrong: [...wrong.values()],
    };
  }

  /** The ends that a statement may be about: the one that was counted last first, then those that a snapshot reports. */
  #possible(life: Life, key: string, { ends }: Stated, { from, to }: Scrape): End[] {
    const all = this.#ends.get(key) ?? [];
    const spans = spansOf(life, key).filter(
      (span) => span.from <= to + REMOVAL_SECONDS && span.until >= from - REMOVAL_SECONDS,
    );
    const never = {
      number: -1,
      at: 0,
      how: 'added',
      status: undefined,
      hasRun: false,
      error: undefined,
    };
    const isFirst = (span: unknown) => span === spansOf(life, key)[0];
    const counted = spans.flatMap((span) => {
      if (!isFirst(span)) return span.ends[ends] ?? [];
      if (ends > 0) return span.ends[ends - 1] ?? [];
      return all.findLast(({ number }) => number < life.first) ?? never;
    });
    const earliest = Math.min(...counted.map(({ number }) => number));
    const snapshotAt = this.#snapshots.findLast((at) => at <= to) ?? 0;
    return [...counted, ...all.filter(({ number, at }) => number > earliest && at <= snapshotAt)];
  }

  #describeWrong(key: string, stated: Stated, possible: readonly End[], scrape: Scrape): string {
    const { from, to, startedAt } = scrape;
    const last = (this.#ends.get(key) ?? []).filter(({ at }) => at <= to).slice(-NAMED_ENDS);
    return [
      `${key}: ${describe(stated)}, ${JSON.stringify({ from, to, startedAt })}`,
      `possible: ${possible.map(({ number }) => number).join(', ')}`,
      ...last.map(describeEnd),
    ].join('\n  ');
  }
}

function spansOf({ spans }: Life, key: string) {
  const known = spans.get(key) ?? [{ from: 0, until: Number.POSITIVE_INFINITY, ends: [] }];
  spans.set(key, known);
  return known;
}

function isTrue({ status, signal, core, oom, error }: Stated, end: End): boolean {
  const truth = factsOf(end);
  const agrees = (one: number | undefined, other: number) => one === undefined || one === other;
  return (
    agrees(status, truth.status) &&
    agrees(signal, truth.signal) &&
    agrees(core, truth.core) &&
    agrees(oom, 0) &&
    (error === undefined || error === end.error)
  );
}

/** The parts of a wait status, see wait(2). */
function factsOf({ status = 0 }: End) {
  const signal = status & 0x7f;
  return { signal, status: signal > 0 ? -1 : status >> 8, core: (status & 0x80) >> 7 };
}

function isKnown({ state, status, signal, error }: Stated, { hasRun }: End): boolean {
  const isDown = state === BACKOFF || state === FATAL;
  if (isDown && error === undefined) return false;
  return !hasRun || (status !== undefined && signal !== undefined);
}

function describe({ state, ends, status, signal, core, oom, error }: Stated): string {
  return JSON.stringify({ state, ends, status, signal, core, oom, error });
}

function describeEnd(end: End): string {
  return `${end.number} ${end.how} at ${end.at} ${JSON.stringify({ ...factsOf(end), hasRun: end.hasRun, error: end.error })}`;
}
