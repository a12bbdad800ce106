import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { displayName, keyOf, type ProcessId } from '../../src/supervisor/process-id.ts';
import { nameOfServerState } from '../../src/supervisor/snapshot.ts';

const supervisor = suite("Supervisor's vocabulary");

/** By supervisor.states.SupervisorStates; it calls -1 SHUTDOWN. */
const SERVER_STATES: ReadonlyArray<readonly [code: number, name: string]> = [
  [2, 'FATAL'],
  [1, 'RUNNING'],
  [0, 'RESTARTING'],
  [-1, 'SHUTDOWN'],
  [7, '7'],
  [-2, '-2'],
];

for (const [code, name] of SERVER_STATES) {
  supervisor(`the state of supervisord ${code} is ${name}`, () =>
    assert.is(nameOfServerState(code), name),
  );
}

supervisor('a process is written as supervisorctl writes it', () =>
  assert.is(displayName({ group: 'web', name: 'web-0' }), 'web:web-0'),
);

supervisor('two processes have the same key only if group and name are equal', () => {
  const ids: readonly ProcessId[] = [
    { group: 'a', name: 'b' },
    { group: 'b', name: 'a' },
    { group: 'ab', name: '' },
    { group: '', name: 'ab' },
    { group: 'a:b', name: 'c' },
    { group: 'a', name: 'b:c' },
    { group: 'a', name: 'b\nc' },
    { group: 'a', name: '\nb' },
  ];
  assert.is(new Set(ids.map(keyOf)).size, ids.length);
  for (const id of ids) assert.is(keyOf(id), keyOf({ ...id }));
});

supervisor.run();
