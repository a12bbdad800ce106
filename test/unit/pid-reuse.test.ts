import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { livePid } from '../../src/processes/process.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import { openResources, type Resources } from '../../src/resources/resources.ts';
import { timed } from '../support/deadline.ts';
import { event, id, info, snapshot } from '../support/facts.ts';
import { FakeProc, OWN } from '../support/procfs.ts';

const pidReuse = suite('pid reuse');

const NAMES = ['cat', 'dog'] as const;
type Name = (typeof NAMES)[number];
/** So few that each is reused soon. */
const PIDS = [7, 8, 9];
const INIT = 1;
/** A process that supervisord started later than this after the start of a run is not of that run. */
const MAX_START_ERROR_SECONDS = 7;

/** Between the start of a run and the event that reports it. */
const LONGEST_START_SECONDS = 4;

interface Run {
  readonly pid: number;
  /** Seconds since boot. */
  readonly start: number;
  /** As supervisord reports it, in epoch seconds. */
  readonly reportedStart: number;
}

const ACTION = fc.oneof(
  fc.record({
    kind: fc.constant('start' as const),
    name: fc.constantFrom(...NAMES),
    isReported: fc.boolean(),
    delay: fc.constantFrom(0, 0.4, 3),
  }),
  fc.record({
    kind: fc.constant('exit' as const),
    name: fc.constantFrom(...NAMES),
    isReported: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('other process' as const), pid: fc.constantFrom(...PIDS) }),
  fc.record({ kind: fc.constant('other process exits' as const), pid: fc.constantFrom(...PIDS) }),
  fc.record({ kind: fc.constant('wait' as const), seconds: fc.constantFrom(0.3, 1, 8, 100) }),
  fc.record({
    kind: fc.constant('set clock' as const),
    seconds: fc.constantFrom(-4_000, -2, 4_000),
  }),
  fc.record({ kind: fc.constant('snapshot' as const) }),
  fc.record({ kind: fc.constant('restart the exporter' as const) }),
);
type Action = typeof ACTION extends fc.Arbitrary<infer Value> ? Value : never;

/** A supervisord with two programs whose events are sometimes lost, and other processes of the machine. */
class World {
  readonly #proc = new FakeProc({ listsChildren: true });
  /** Seconds since boot. */
  #uptime = 100;
  /** Epoch seconds. */
  #boot = 1_700_000_000;
  #serial = 0;
  readonly #runs = new Map<Name, Run>();
  readonly #otherProcesses = new Set<number>();
  #exporter = this.#startExporter();

  async act(action: Action): Promise<void> {
    switch (action.kind) {
      case 'start':
        this.#start(action.name, action.isReported, action.delay);
        break;
      case 'exit':
        this.#exit(action.name, action.isReported);
        break;
      case 'other process':
        if (!this.#isFree(action.pid)) break;
        this.#otherProcesses.add(action.pid);
        this.#proc.put(action.pid, { parent: INIT, start: this.#uptime * 100 });
        break;
      case 'other process exits':
        if (this.#otherProcesses.delete(action.pid)) this.#proc.remove(action.pid);
        break;
      case 'wait':
        this.#wait(action.seconds);
        break;
      case 'set clock':
        // A scrape between any two steps of the clock.
        await this.check();
        this.#boot += action.seconds;
        this.#exporter.clockSteps += 1;
        break;
      case 'snapshot':
        this.#takeSnapshot();
        break;
      case 'restart the exporter':
        this.#exporter = this.#startExporter();
        break;
      default: {
        const unhandled: never = action;
        throw new Error(`unhandled action ${unhandled}`);
      }
    }
    await this.check();
  }

  /** Each process that runs has its usage, and no other process is measured in its place. */
  async check(): Promise<void> {
    this.#wait(0.05);
    const { table, resources, startedAt, clockSteps } = this.#exporter;
    await resources.read();
    for (const name of NAMES) {
      const process = table.get(id(name));
      const pid = process && livePid(process);
      if (process === undefined || pid === undefined) continue;
      const isShown = resources.usageOf(process) !== undefined;
      const run = this.#runs.get(name);
      const runStart = process.startTime ?? process.lastTransitionTime ?? 0;
      if (run?.pid === pid) {
        // Where both events of a run were lost, the table still has an earlier run of the same pid.
        const isKnown = Math.abs(run.reportedStart - runStart) <= LONGEST_START_SECONDS;
        if (isKnown) assert.ok(isShown, `${name} runs as ${pid}`);
      } else if (this.#ownerOf(pid) === undefined) {
        assert.not.ok(isShown, `${name} is gone, and no process of supervisord has pid ${pid}`);
      } else {
        const { start = 0 } = this.#ownerOf(pid) ?? {};
        const isLate = start + this.#boot > runStart + MAX_START_ERROR_SECONDS;
        if (clockSteps === 0 && start > startedAt && isLate) {
          assert.not.ok(isShown, `${name} is gone, and another program runs as ${pid}`);
        }
      }
    }
  }

  delete(): void {
    this.#proc.delete();
  }

  #start(name: Name, isReported: boolean, delay: number): void {
    const pid = PIDS.find((free) => this.#isFree(free));
    if (pid === undefined || this.#runs.has(name)) return;
    const reportedStart = Math.floor(this.#boot + this.#uptime);
    this.#runs.set(name, { pid, start: this.#uptime, reportedStart });
    this.#proc.put(pid, { start: Math.round(this.#uptime * 100) });
    this.#wait(delay);
    if (!isReported) return;
    this.#event(name, 'EXITED>STARTING');
    this.#event(name, 'STARTING>RUNNING', pid);
  }

  #exit(name: Name, isReported: boolean): void {
    const run = this.#runs.get(name);
    if (run === undefined) return;
    this.#runs.delete(name);
    this.#proc.remove(run.pid);
    if (isReported) this.#event(name, 'RUNNING>EXITED', run.pid);
  }

  #event(name: Name, transition: string, pid?: number): void {
    this.#serial += 1;
    const at = this.#boot + this.#uptime;
    this.#exporter.table.apply(event(this.#serial, name, transition, { pid }), at);
  }

  #takeSnapshot(): void {
    this.#serial += 1;
    const infos = NAMES.map((name) => {
      const run = this.#runs.get(name);
      return run === undefined
        ? info(name, 'STOPPED')
        : info(name, 'RUNNING', { pid: run.pid, start: run.reportedStart });
    });
    this.#exporter.table.applySnapshotAt(snapshot(infos), this.#serial);
  }

  #startExporter() {
    const startedAt = this.#uptime;
    const own = { ...OWN, start: Math.round(startedAt * 100) };
    this.#proc.putOwn(own);
    const table = new ProcessTable();
    const resources: Resources | undefined = openResources({
      table,
      log: { debug: undefined, info() {}, warn() {}, error() {} },
      ownPid: OWN.pid,
      root: this.#proc.root,
      now: () => this.#uptime * 1_000,
      wallClock: () => this.#boot + this.#uptime,
    });
    if (resources === undefined) throw new Error('no collector');
    return { table, resources, startedAt, clockSteps: 0 };
  }

  #wait(seconds: number): void {
    this.#uptime += seconds;
    this.#proc.setUptime(this.#uptime);
  }

  #isFree(pid: number): boolean {
    return !this.#otherProcesses.has(pid) && this.#ownerOf(pid) === undefined;
  }

  #ownerOf(pid: number): Run | undefined {
    return [...this.#runs.values()].find((run) => run.pid === pid);
  }
}

pidReuse(
  'each process is measured while it runs, and never another one in its place',
  timed(60_000, () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(ACTION, { minLength: 10, maxLength: 40, size: 'max' }),
        async (actions) => {
          const world = new World();
          try {
            await world.act({ kind: 'restart the exporter' });
            await world.act({ kind: 'snapshot' });
            for (const action of actions) {
              await world.act(action);
              if (action.kind === 'restart the exporter') await world.act({ kind: 'snapshot' });
            }
          } finally {
            world.delete();
          }
        },
      ),
      { numRuns: 60 },
    ),
  ),
);

pidReuse.run();
