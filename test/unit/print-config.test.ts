import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { formatCommand, printConfig } from '../../src/cli/print-config.ts';
import { splitWords } from '../../src/cli/shlex.ts';
import { Ini } from '../../src/doctor/ini.ts';
import { expand } from '../../src/doctor/python.ts';
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

/** What supervisord runs for each command of a list: read from its file, expanded, taken apart. */
const PYTHON = `
import json, shlex, sys
sys.path.append('/usr/lib/python3/dist-packages')
from supervisor.options import UnhosedConfigParser
def words(command):
    parser = UnhosedConfigParser()
    parser.read_string('[eventlistener:x]\\ncommand=' + command + '\\nevents=EVENT\\n')
    return shlex.split(parser.saneget('eventlistener:x', 'command'))
print(json.dumps([words(command) for command in json.load(sys.stdin)]))
`;

config('supervisord runs the very words, whatever is in them; and so does doctor read them', () => {
  const awkward = fc.constantFrom(...` ;#%()s'"\\\t=:[]$\`&|<>*?~é🚀\u00a0ab/-`);
  const word = fc.array(awkward, { maxLength: 8 }).map((characters) => characters.join(''));
  const commands = fc.sample(
    fc.tuple(fc.constant('/node'), word, word).map((words) => [...words]),
    2_000,
  );
  const python = spawnSync('/usr/bin/python3', ['-W', 'ignore', '-c', PYTHON], {
    input: JSON.stringify(commands.map(formatCommand)),
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.is(python.status, 0, python.stderr);
  const read: unknown[] = JSON.parse(python.stdout);
  for (const [index, words] of commands.entries()) {
    assert.equal(read[index], words, formatCommand(words));
    assert.equal(readBack(formatCommand(words)), words);
  }
});

function readBack(command: string): string[] | undefined {
  const ini = new Ini();
  ini.add('f', `[a]\ncommand=${command}\n`);
  const expanded = expand(ini.section('a')?.settings.get('command')?.value ?? '', {});
  return expanded.kind === 'expanded' ? splitWords(expanded.text) : undefined;
}

config.run();
