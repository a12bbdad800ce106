/** The rules and the push describe the same history in the same words. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  ActiveAlerts,
  type AlertName,
  RESEND_SECONDS,
} from '../../src/alertmanager/active-alerts.ts';
import { type PostableAlert, toPostableAlert } from '../../src/alertmanager/payload.ts';
import { formatLabels } from '../../src/metrics/family.ts';
import { PROCESS_FAMILIES, transitionFamily } from '../../src/metrics/processes.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import type { TerminationFacts } from '../../src/processes/termination.ts';
import { TRANSITIONS } from '../../src/supervisor/states.ts';
import { event, id, info, snapshot } from '../support/facts.ts';

const descriptions = suite('descriptions of alerts');

const RULES = fileURLToPath(new URL('../../prometheus-rules/alerts.yml', import.meta.url));
const PAYLOAD = {
  labels: { job: 'supervisor', instance: 'host:9876' },
  runbookUrl: 'RUNBOOK.md',
};
/** The second at which the alerts are compared. */
const COMPARED_AT = 300;

/** What happens to a process at a second, and what is then established about its termination. */
type Step = readonly [
  at: number,
  process: string,
  transition: string,
  facts?: TerminationFacts,
  expected?: boolean,
];

const exited = (exitCode: number): TerminationFacts => ({
  reason: { kind: 'exited', source: 'log', exitCode },
});
const killed = (signal: number | undefined): TerminationFacts => ({
  reason: { kind: 'signalled', source: 'log', signal, coreDumped: false },
});
const dumped = (signal: number): TerminationFacts => ({
  reason: { kind: 'signalled', source: 'log', signal, coreDumped: true },
});
const oomKilled = (finishedAt?: number): TerminationFacts => ({
  reason: { kind: 'signalled', source: 'log', signal: 9, coreDumped: false, oomKilled: true },
  finishedAt,
});
const killedAtStop: TerminationFacts = { ...killed(9), killedAtStop: true };
const UNKNOWN: TerminationFacts = { reason: { kind: 'unknown' } };

const exit = (at: number, process: string, facts: TerminationFacts): Step => [
  at,
  process,
  'RUNNING>EXITED',
  facts,
  false,
];

const HISTORIES: Readonly<Record<string, readonly [alert: AlertName, steps: readonly Step[]]>> = {
  'an exit code': ['SupervisorProcessUnexpectedExit', [exit(299.123, 'shop:web', exited(3))]],
  'the exit code 0': ['SupervisorProcessUnexpectedExit', [exit(299, 'web', exited(0))]],
  'a signal': ['SupervisorProcessUnexpectedExit', [exit(299.5, 'web', killed(9))]],
  'a signal with a core file': [
    'SupervisorProcessUnexpectedExit',
    [exit(299.5, 'web', dumped(11))],
  ],
  'an exit by the OOM killer': [
    'SupervisorProcessUnexpectedExit',
    [exit(299.5, 'web', oomKilled())],
  ],
  'an OOM kill': ['SupervisorProcessOomKilled', [exit(299.5, 'shop:web', oomKilled(299.25))]],
  'OOM kills and another exit since': [
    'SupervisorProcessOomKilled',
    [exit(200, 'web', oomKilled()), exit(250, 'web', oomKilled()), exit(299, 'web', exited(1))],
  ],
  'an OOM kill within startsecs': [
    'SupervisorProcessOomKilled',
    [[299, 'web', 'STARTING>BACKOFF', oomKilled()]],
  ],
  'a stop that took too long': [
    'SupervisorProcessKilledAtStop',
    [
      [280, 'web', 'RUNNING>STOPPING'],
      [290, 'web', 'STOPPING>STOPPED', killedAtStop],
    ],
  ],
  'stops that took too long': [
    'SupervisorProcessKilledAtStop',
    [
      [250, 'shop:web', 'RUNNING>STOPPING'],
      [260, 'shop:web', 'STOPPING>STOPPED', killedAtStop],
      [270, 'shop:web', 'STOPPED>STARTING'],
      [271, 'shop:web', 'STARTING>RUNNING'],
      [280, 'shop:web', 'RUNNING>STOPPING'],
      [290, 'shop:web', 'STOPPING>STOPPED', killedAtStop],
    ],
  ],
  'a signal without a name': ['SupervisorProcessUnexpectedExit', [exit(299.5, 'web', killed(35))]],
  'a signal without a number': [
    'SupervisorProcessUnexpectedExit',
    [exit(299.5, 'web', killed(undefined))],
  ],
  'a reason that is not known': ['SupervisorProcessUnexpectedExit', [exit(296, 'web', UNKNOWN)]],
  'an exit after which the process runs again': [
    'SupervisorProcessUnexpectedExit',
    [
      exit(299.2, 'web', killed(11)),
      [299.3, 'web', 'EXITED>STARTING'],
      [299.9, 'web', 'STARTING>RUNNING'],
    ],
  ],
  'several exits': [
    'SupervisorProcessUnexpectedExit',
    [exit(150, 'web', exited(1)), exit(200, 'web', exited(1)), exit(299, 'web', exited(2))],
  ],
  'exits of three processes': [
    'SupervisorProcessUnexpectedExit',
    [exit(297, 'a', exited(1)), exit(298, 'g:b', killed(9)), exit(299, 'c', exited(2))],
  ],
  'FATAL after failed starts with an exit code': [
    'SupervisorProcessFatal',
    [
      [
        298,
        'shop:web',
        'STARTING>BACKOFF',
        { ...exited(78), spawnError: 'Exited too quickly (process log may have details)' },
      ],
      [299, 'shop:web', 'BACKOFF>FATAL'],
    ],
  ],
  'FATAL after failed starts with a signal': [
    'SupervisorProcessFatal',
    [
      [
        298,
        'web',
        'STARTING>BACKOFF',
        { ...killed(6), spawnError: 'Exited too quickly (process log may have details)' },
      ],
      [299, 'web', 'BACKOFF>FATAL'],
    ],
  ],
  'FATAL of a process that never ran': [
    'SupervisorProcessFatal',
    [
      [
        298,
        'web',
        'STARTING>BACKOFF',
        {
          reason: { kind: 'unknown' },
          spawnError: "can't find command '/x \"y\"'",
          neverRan: true,
        },
      ],
      [299, 'web', 'BACKOFF>FATAL'],
    ],
  ],
  'FATAL without a reason': [
    'SupervisorProcessFatal',
    [
      [297, 'web', 'STARTING>BACKOFF', UNKNOWN],
      [298, 'web', 'BACKOFF>FATAL'],
    ],
  ],
  'four exits': [
    'SupervisorManyExits',
    [
      exit(296, 'g:a', exited(1)),
      exit(297, 'b', oomKilled()),
      exit(298, 'g:c', killed(undefined)),
      exit(299, 'd', exited(2)),
    ],
  ],
  'twelve exits': [
    'SupervisorManyExits',
    Array.from({ length: 12 }, (_, nth) => exit(280 + nth, `w:${nth}`, exited(nth))),
  ],
};

for (const [title, [name, steps]] of Object.entries(HISTORIES)) {
  descriptions(`the rule and the push say the same: ${title}`, () => {
    const { series, pushed } = play(steps);
    const alerts = pushed.filter(({ labels }) => labels['alertname'] === name);
    assert.ok(alerts.length > 0, 'it is pushed');
    expectOfRules(series, name, alerts);
  });
}

/** The series of the processes, one sample a second, and what the push sends at the end. */
function play(steps: readonly Step[]): {
  readonly series: ReadonlyMap<string, readonly string[]>;
  readonly pushed: readonly PostableAlert[];
} {
  const table = new ProcessTable();
  const names = [...new Set(steps.map(([, process]) => process))];
  table.applySnapshotAt(snapshot(names.map((name) => info(name, 'RUNNING', { start: 1 }))), 0);
  for (const name of names) {
    table.configure(id(name), {
      autostart: true,
      startRetries: 3,
      stopWaitSeconds: name === 'web' ? 10 : undefined,
      exitCodes: [0],
    });
  }
  const active = new ActiveAlerts({ reasonTimeout: 1 });
  const series = new Map<string, string[]>();
  const remaining = [...steps];
  let serial = 0;
  for (let second = 0; second <= COMPARED_AT; second++) {
    for (let step = remaining[0]; step !== undefined && step[0] <= second; step = remaining[0]) {
      remaining.shift();
      serial += 1;
      apply(table, serial, step);
    }
    active.evaluate(table.values(), second);
    sample(table, second, series);
  }
  // All that is active is due again by then.
  const pushed = active
    .evaluate(table.values(), COMPARED_AT + RESEND_SECONDS)
    .map((alert) => toPostableAlert(alert, PAYLOAD));
  return { series, pushed };
}

function apply(
  table: ProcessTable,
  serial: number,
  [at, process, transition, facts, expected]: Step,
) {
  const extra = expected === undefined ? {} : { expected };
  for (const change of table.apply(event(serial, process, transition, extra), at)) {
    if (change.kind !== 'exited' || facts === undefined) continue;
    table.setTerminationFacts(id(process), change.termination.id, facts);
  }
}

function sample(table: ProcessTable, second: number, series: Map<string, string[]>): void {
  for (const process of table.values()) {
    const families = [...PROCESS_FAMILIES, ...TRANSITIONS.map(transitionFamily)];
    const exits = { isUnreported: () => false, countsOomKills: true, countsStopKills: true };
    for (const family of families) {
      if (family.ofExitReasons === false) continue;
      const value = family.value(process, { usage: undefined, upSeconds: 0, exits });
      if (value === undefined) continue;
      const labels = formatLabels({
        job: 'supervisor',
        instance: 'host:9876',
        ...process.id,
        ...family.labels?.(process),
        ...family.fixedLabels,
      });
      const key = `${family.name}{${labels}}`;
      const values = series.get(key) ?? [];
      while (values.length < second) values.push('_');
      values.push(String(value));
      series.set(key, values);
    }
  }
  for (const values of series.values()) if (values.length === second) values.push('stale');
}

/** Lets promtool compare what the rule of this name fires. */
function expectOfRules(
  series: ReadonlyMap<string, readonly string[]>,
  name: string,
  alerts: readonly PostableAlert[],
): void {
  const dir = mkdtempSync(join(tmpdir(), 'supervisor-exporter-descriptions-'));
  try {
    const test = {
      interval: '1s',
      input_series: [...series].map(([key, values]) => ({ series: key, values: values.join(' ') })),
      alert_rule_test: [
        {
          eval_time: `${COMPARED_AT}s`,
          alertname: name,
          exp_alerts: alerts.map(({ labels: { alertname, ...labels }, annotations }) => ({
            exp_labels: labels,
            exp_annotations: annotations,
          })),
        },
      ],
    };
    const file = join(dir, 'test.yml');
    writeFileSync(
      file,
      JSON.stringify({ rule_files: [RULES], evaluation_interval: '5s', tests: [test] }),
    );
    execFileSync('promtool', ['test', 'rules', file], { stdio: 'pipe', timeout: 30_000 });
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: Buffer; stderr?: Buffer };
    throw new Error(`${stdout} ${stderr}`);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

descriptions.run();
