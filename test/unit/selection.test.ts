import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseCommandLine } from '../../src/cli/flags.ts';
import { createSelection } from '../../src/processes/selection.ts';
import { id } from '../support/facts.ts';

const selection = suite('selection');

const CASES: ReadonlyArray<
  readonly [include: string | undefined, exclude: string | undefined, selected: readonly string[]]
> = [
  [undefined, undefined, ['web:1', 'web:12', 'db:db', 'web:a b\nc']],
  ['web:.*', undefined, ['web:1', 'web:12', 'web:a b\nc']],
  ['web:1', undefined, ['web:1']],
  ['web:1|db:.*', undefined, ['web:1', 'db:db']],
  [undefined, 'web:1', ['web:12', 'db:db', 'web:a b\nc']],
  ['web:.*', 'web:1.?', ['web:a b\nc']],
  ['web', undefined, []],
  ['', undefined, []],
];

for (const [include, exclude, selected] of CASES) {
  selection(`include ${include}, exclude ${exclude}`, () => {
    const flags = [
      ...(include === undefined ? [] : [`--collector.process-include=${include}`]),
      ...(exclude === undefined ? [] : [`--collector.process-exclude=${exclude}`]),
    ];
    const invocation = parseCommandLine(flags, {});
    if (invocation.kind !== 'run') throw new Error('not a run');
    const subject = createSelection(invocation.config.selection);
    const ids = ['web:1', 'web:12', 'db:db', 'web:a b\nc'].map(id);
    for (let time = 0; time < 2; time++) {
      assert.equal(
        ids.filter((each) => subject.isSelected(each)),
        selected.map(id),
      );
    }
  });
}

for (const flag of ['include', 'exclude']) {
  selection(`an invalid expression is refused, without its text (${flag})`, () => {
    assert.throws(
      () => parseCommandLine([`--collector.process-${flag}=secret(`], {}),
      (error: Error) =>
        /not a regular expression/.test(error.message) && !/secret/.test(error.message),
    );
  });
}

selection.run();
