import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { formatCommand } from '../../src/cli/print-config.ts';
import { quoteWord, splitWords } from '../../src/cli/shlex.ts';
import { Ini } from '../../src/doctor/ini.ts';
import { expand } from '../../src/doctor/python.ts';

const printed = suite('print-config');

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

printed('supervisord and doctor read the very words from the printed command', () => {
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

/** What Python's shlex makes of each text of a list: its words, or null, and the text quoted. */
const SHLEX = `
import json, shlex, sys
def words(text):
    try:
        return shlex.split(text)
    except ValueError:
        return None
print(json.dumps([[words(text), shlex.quote(text)] for text in json.load(sys.stdin)]))
`;

printed("words are split and quoted as by Python's shlex, on which supervisord relies", () => {
  const awkward = fc.constantFrom(...` ;#%()'"\\\t\n\r=$\`&|<*?~é🚀\u00a0ab/-`);
  const text = fc.array(awkward, { maxLength: 10 }).map((characters) => characters.join(''));
  const texts = fc.sample(text, 20_000);
  const python = spawnSync('/usr/bin/python3', ['-c', SHLEX], {
    input: JSON.stringify(texts),
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    timeout: 60_000,
  });
  assert.is(python.status, 0, python.stderr);
  const expected: unknown[] = JSON.parse(python.stdout);
  for (const [index, sample] of texts.entries()) {
    const actual = [splitWords(sample) ?? null, quoteWord(sample)];
    assert.equal(actual, expected[index], JSON.stringify(sample));
  }
});

printed.run();
