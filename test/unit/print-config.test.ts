import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { formatCommand, printConfig } from '../../src/cli/print-config.ts';
import { splitWords } from '../../src/cli/shlex.ts';
import { UnprintableCommandError } from '../../src/util/errors.ts';

const config = suite('print-config');
const SHIPPED = readFileSync(new URL('../../supervisor/exporter.conf', import.meta.url), 'utf8');

const COMMANDS: ReadonlyArray<readonly [words: readonly string[], command: string]> = [
  [['/usr/bin/node', '/x.cjs', '--log.level=debug'], '/usr/bin/node /x.cjs --log.level=debug'],
  [['/a b/node', "it's"], `'/a b/node' 'it'"'"'s'`],
  [['100%', ''], "100%% ''"],
  [['a ;b', '#c'], "'a '';b' '''#c'"],
];

for (const [words, command] of COMMANDS) {
  config(`${JSON.stringify(words)} is written so that supervisord reads it`, () => {
    assert.is(formatCommand(words), command);
  });
}

config('a line break cannot be written and is refused, without repeating the argument', () => {
  for (const word of ['/a\nSECRET', '\rSECRET', 'SECRET\0']) {
    assert.throws(
      () => formatCommand([word]),
      (error: unknown) =>
        error instanceof UnprintableCommandError && !error.message.includes('SECRET'),
    );
  }
});

config('it is the shipped section, with another command', () => {
  const printed = printConfig(['/n', '/x$&.cjs'], SHIPPED).split('\n');
  const shipped = SHIPPED.split('\n');
  const changed = printed.filter((line, index) => line !== shipped[index]);
  assert.equal(changed, ["command=/n '/x$&.cjs'"]);
  assert.is(printed.length, shipped.length);
});

const SPLITS: ReadonlyArray<readonly [text: string, words: readonly string[] | undefined]> = [
  ['', []],
  [' a  b\t', ['a', 'b']],
  [`'a b'"c d"e`, ['a bc de']],
  [`"a\\"b\\\\c\\d"`, ['a"b\\c\\d']],
  ['a\\ b \\\\', ['a b', '\\']],
  [`'' ""`, ['', '']],
  [`'a`, undefined],
  ['"a', undefined],
  ['a\\', undefined],
];

for (const [text, words] of SPLITS) {
  config(`the words of ${JSON.stringify(text)}`, () => assert.equal(splitWords(text), words));
}

config.run();
