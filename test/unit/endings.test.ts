import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Finding } from '../../src/processes/ending.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import { event, id, info, snapshot } from '../support/facts.ts';

const endings = suite('ends of runs');

const WEB = id('web');

/** web runs as pid 7, since 10. */
function running(): ProcessTable {
  const table = new ProcessTable();
  table.takeAt(snapshot([info('web', 'RUNNING', { pid: 7, start: 10 })]), 0);
  return table;
}

function shown(table: ProcessTable) {
  const { exitStatus: status, exitSignal: signal } = table.get(WEB) ?? {};
  return { status, signal };
}

function exit(status: number): Finding {
  return { ending: { status, signal: 0 }, spawnError: undefined };
}
const KILLED: Finding = { ending: { status: -1, signal: 9 }, spawnError: undefined };
const NOTHING: Finding = { ending: undefined, spawnError: undefined };

/** Ends web, and answers the question that this raises. */
function end(table: ProcessTable, serial: number, at: number, finding: Finding): void {
  table.transition(event(serial, 'web', 'RUNNING>EXITED', { expected: false, pid: 7 }), at);
  for (const unexplained of table.takeUnexplained()) table.explain(WEB, unexplained.end, finding);
}

endings('it has never ended: no code, no signal, and nothing to ask', () => {
  const table = running();
  assert.equal(shown(table), { status: 0, signal: 0 });
  assert.equal(table.takeUnexplained(), []);
});

endings('it crashes, is asked about once, and is started again: the code stays', () => {
  const table = running();
  table.transition(event(1, 'web', 'RUNNING>EXITED', { expected: false, pid: 7 }), 20.5);
  const [unexplained, second] = table.takeUnexplained();
  assert.is(second, undefined);
  assert.is(unexplained?.end.pid, 7);
  table.transition(event(2, 'web', 'EXITED>STARTING', { tries: 0 }), 20.6);
  if (unexplained !== undefined) table.explain(WEB, unexplained.end, exit(3));
  assert.equal(shown(table), { status: 3, signal: 0 });
  assert.equal(table.takeUnexplained(), []);
  table.takeAt(snapshot([info('web', 'RUNNING', { pid: 8, start: 20, stop: 20 })]), 3);
  assert.equal(shown(table), { status: 3, signal: 0 }, 'XML-RPC says 0 by now');
  assert.equal(table.takeUnexplained(), []);
});

endings(
  'events are late: it was stopped since, in a second before our stamp of the end before that',
  () => {
    const table = running();
    // It exited at 14 or so, was started again, and was stopped at 18.
    end(table, 1, 20.5, exit(3));
    table.takeAhead(snapshot([info('web', 'STOPPED', { start: 17, stop: 18, exitStatus: -1 })]), 1);
    const [unexplained] = table.takeUnexplained();
    assert.is(unexplained?.end.at, 18);
    if (unexplained !== undefined) table.explain(WEB, unexplained.end, KILLED);
    assert.equal(shown(table), { status: -1, signal: 9 });
    assert.is(table.get(WEB)?.stopTime, 18);
    // What is still to come leads to the same end.
    table.transition(event(2, 'web', 'EXITED>STARTING', { tries: 0 }), 22);
    table.transition(event(3, 'web', 'STARTING>RUNNING', { pid: 8 }), 22);
    table.transition(event(4, 'web', 'RUNNING>STOPPING', { pid: 8 }), 23);
    table.transition(event(5, 'web', 'STOPPING>STOPPED', { pid: 8 }), 23);
    assert.equal(table.takeUnexplained(), []);
    assert.equal(shown(table), { status: -1, signal: 9 });
  },
);

endings('an answer that comes after the next end is of no use', () => {
  const table = running();
  table.transition(event(1, 'web', 'RUNNING>EXITED', { expected: false, pid: 7 }), 20);
  const [first] = table.takeUnexplained();
  table.transition(event(2, 'web', 'EXITED>STARTING'), 20.1);
  table.transition(event(3, 'web', 'STARTING>RUNNING', { pid: 8 }), 21.1);
  table.transition(event(4, 'web', 'RUNNING>EXITED', { expected: true, pid: 8 }), 22);
  const [second] = table.takeUnexplained();
  if (second !== undefined) table.explain(WEB, second.end, exit(0));
  if (first !== undefined) table.explain(WEB, first.end, exit(3));
  assert.equal(shown(table), { status: 0, signal: 0 });
});

endings('foretold: the reason is there when the event comes, and nothing is asked', () => {
  const table = running();
  table.foretell(WEB, 7, KILLED);
  assert.equal(shown(table), { status: 0, signal: 0 }, 'not before the event');
  table.transition(event(1, 'web', 'RUNNING>EXITED', { expected: false, pid: 7 }), 20);
  assert.equal(shown(table), { status: -1, signal: 9 });
  assert.equal(table.takeUnexplained(), []);
});

endings('foretold too late: the event was here, and the answer is taken all the same', () => {
  const table = running();
  table.transition(event(1, 'web', 'RUNNING>EXITED', { expected: false, pid: 7 }), 20);
  table.foretell(WEB, 7, KILLED);
  assert.equal(shown(table), { status: -1, signal: 9 });
});

endings('foretold of another pid: not of this end', () => {
  const table = running();
  table.foretell(WEB, 7, exit(3));
  table.transition(event(1, 'web', 'RUNNING>EXITED', { expected: false, pid: 99 }), 20);
  assert.is(table.takeUnexplained().length, 1);
});

endings('nothing is found out: the signal is not known, and the code is what XML-RPC says', () => {
  const table = running();
  end(table, 1, 20, KILLED);
  table.transition(event(2, 'web', 'EXITED>STARTING'), 20.1);
  table.transition(event(3, 'web', 'STARTING>RUNNING', { pid: 7 }), 21.1);
  end(table, 4, 30, NOTHING);
  assert.is(shown(table).signal, undefined);
  table.takeAt(snapshot([info('web', 'EXITED', { stop: 30, exitStatus: 5 })]), 5);
  assert.is(shown(table).status, 5);
});

endings('a stop is an end with a reason, and takes its time', () => {
  const table = running();
  table.transition(event(1, 'web', 'RUNNING>STOPPING', { pid: 7 }), 20);
  assert.equal(table.takeUnexplained(), []);
  table.transition(event(2, 'web', 'STOPPING>STOPPED', { pid: 7 }), 20.5);
  assert.is(table.takeUnexplained().length, 1);
  assert.is(table.get(WEB)?.stopDuration, 0.5);
});

endings(
  'it fails to start: the error stands in BACKOFF and FATAL, and goes with the next start',
  () => {
    const table = running();
    const spawnError = "can't find command 'web'";
    table.transition(event(1, 'web', 'RUNNING>EXITED', { expected: false, pid: 7 }), 20);
    table.transition(event(2, 'web', 'EXITED>STARTING', { tries: 0 }), 20.1);
    table.takeUnexplained();
    table.transition(event(3, 'web', 'STARTING>BACKOFF', { tries: 1 }), 20.2);
    const [unexplained] = table.takeUnexplained();
    table.transition(event(4, 'web', 'BACKOFF>FATAL'), 20.3);
    if (unexplained !== undefined) {
      table.explain(WEB, unexplained.end, { ending: undefined, spawnError });
    }
    assert.is(table.get(WEB)?.spawnError, spawnError);
    table.transition(event(5, 'web', 'FATAL>STARTING', { tries: 0 }), 30);
    assert.is(table.get(WEB)?.spawnError, undefined);
  },
);

endings(
  'it dies too soon: a snapshot in BACKOFF is of the same end, whatever code that says',
  () => {
    const table = running();
    table.transition(event(1, 'web', 'RUNNING>EXITED', { expected: false, pid: 7 }), 20);
    table.transition(event(2, 'web', 'EXITED>STARTING', { tries: 0 }), 20.1);
    table.transition(event(3, 'web', 'STARTING>BACKOFF', { tries: 1 }), 22.2);
    for (const unexplained of table.takeUnexplained()) table.explain(WEB, unexplained.end, exit(3));
    assert.is(table.get(WEB)?.stopTime, 22.2);
    table.takeAt(snapshot([info('web', 'BACKOFF', { start: 20, stop: 22, exitStatus: 0 })]), 4);
    assert.equal(table.takeUnexplained(), []);
    assert.equal(shown(table), { status: 3, signal: 0 });
    assert.is(table.get(WEB)?.stopTime, 22.2);
  },
);

endings('an end that only a snapshot tells of is asked about, once', () => {
  const table = running();
  table.takeAt(snapshot([info('web', 'RUNNING', { pid: 8, start: 50, stop: 49 })]), 1);
  const [unexplained] = table.takeUnexplained();
  assert.equal(unexplained?.end, {
    pid: undefined,
    at: 49,
    after: 49,
    before: 50.5,
    ending: undefined,
  });
  if (unexplained !== undefined) table.explain(WEB, unexplained.end, exit(4));
  table.takeAt(snapshot([info('web', 'RUNNING', { pid: 8, start: 50, stop: 49 })]), 2);
  assert.equal(shown(table), { status: 4, signal: 0 });
  assert.equal(table.takeUnexplained(), []);
});

endings('our stamp of an end may be seconds late: a snapshot does not make it another end', () => {
  const table = running();
  end(table, 1, 24.2, exit(3));
  table.takeAt(snapshot([info('web', 'EXITED', { stop: 20, exitStatus: 3 })]), 2);
  assert.equal(table.takeUnexplained(), []);
  assert.equal(shown(table), { status: 3, signal: 0 });
});

endings('the reason does not bring back a late stamp that a snapshot has put right', () => {
  const table = running();
  table.transition(event(1, 'web', 'RUNNING>EXITED', { expected: false, pid: 7 }), 24.2);
  const [unexplained] = table.takeUnexplained();
  table.takeAt(snapshot([info('web', 'EXITED', { stop: 20, exitStatus: 3 })]), 2);
  if (unexplained !== undefined) table.explain(WEB, unexplained.end, exit(3));
  assert.is(table.get(WEB)?.stopTime, 20);
  assert.equal(shown(table), { status: 3, signal: 0 });
});

endings('of a process that is gone nothing is asked, and no answer is taken', () => {
  const table = running();
  table.transition(event(1, 'web', 'RUNNING>EXITED', { expected: false, pid: 7 }), 20);
  const [unexplained] = table.takeUnexplained();
  table.transition(event(2, 'web', 'EXITED>STARTING'), 21);
  table.removeGroup('web', 3);
  if (unexplained !== undefined) table.explain(WEB, unexplained.end, exit(3));
  table.foretell(WEB, 7, exit(3));
  assert.is(table.get(WEB), undefined);
  assert.equal(table.takeUnexplained(), []);
});

endings.run();
