import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseCommandLine } from '../../src/cli/flags.ts';
import { formatCommand, printConfig } from '../../src/cli/print-config.ts';
import { quoteWord } from '../../src/cli/shlex.ts';
import { UnprintableCommandError } from '../../src/util/errors.ts';

const printed = suite('print-config');

/** What supervisord makes of each section of a list: the words of its command, and its environment. */
const PYTHON = `
import json, shlex, sys
sys.path.append('/usr/lib/python3/dist-packages')
from supervisor.datatypes import dict_of_key_value_pairs
from supervisor.options import UnhosedConfigParser
def read(text):
    parser = UnhosedConfigParser()
    parser.read_string(text)
    get = lambda option: parser.saneget('eventlistener:exporter', option, '')
    return [shlex.split(get('command')), dict_of_key_value_pairs(get('environment'))]
print(json.dumps([read(text) for text in json.load(sys.stdin)]))
`;

function readByPython(texts: readonly string[]): unknown[] {
  const python = spawnSync('/usr/bin/python3', ['-W', 'ignore', '-c', PYTHON], {
    input: JSON.stringify(texts),
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    timeout: 60_000,
  });
  assert.is(python.status, 0, python.stderr);
  return JSON.parse(python.stdout);
}

const AWKWARD = fc.constantFrom(...` ;#%()s'"\\\t=:[]$\`&|<>*?~é🚀\u00a0ab/-`);

printed('supervisord reads the very words from the printed command', () => {
  const word = fc.array(AWKWARD, { maxLength: 8 }).map((characters) => characters.join(''));
  const commands = fc.sample(
    fc.tuple(fc.constant('/node'), word, word).map((words) => [...words]),
    2_000,
  );
  const texts = commands.map(
    (words) => `[eventlistener:exporter]\ncommand=${formatCommand(words)}\n`,
  );
  const read = readByPython(texts);
  for (const [index, words] of commands.entries()) {
    assert.equal(read[index], [words, {}], formatCommand(words));
  }
});

printed('the exporter has the same URLs from the printed section as from the flags', () => {
  const text = fc.array(AWKWARD, { minLength: 1, maxLength: 6 }).map((parts) => parts.join(''));
  const samples = fc.sample(fc.tuple(text, text, text), 500);
  let refused = 0;
  const pairs = samples.flatMap(([username, password, other]) => {
    const userinfo = `${encodeURIComponent(username)}:${encodeURIComponent(password)}`;
    const args = [
      `--supervisor.url=http://${userinfo}@h:9001`,
      `--alertmanager.url=https://a:${encodeURIComponent(other)}@b/c`,
      `--alertmanager.url=http://${userinfo}@d:9093`,
    ];
    const invocation = parseCommandLine(['print-config', ...args], {});
    if (invocation.kind !== 'print-config') throw new Error(invocation.kind);
    const { flags } = invocation.request;
    const section = { name: 'exporter', doubt: undefined };
    try {
      return [{ args, section: printConfig({ program: [], flags, cwd: '/', section }) }];
    } catch (error) {
      if (!(error instanceof UnprintableCommandError)) throw error;
      refused += 1;
      return [];
    }
  });
  assert.ok(pairs.length > 100, `${refused} refused`);
  const read = readByPython(pairs.map(({ section }) => section)) as [string[], object][];
  for (const [index, { args, section }] of pairs.entries()) {
    const [words, environment] = read[index] ?? [[], {}];
    assert.equal(parseCommandLine(words, environment), parseCommandLine(args, {}), section);
  }
});

printed("words are quoted as by Python's shlex", () => {
  const texts = fc.sample(
    fc.array(AWKWARD, { maxLength: 10 }).map((characters) => characters.join('')),
    5_000,
  );
  const program =
    'import json, shlex, sys\nprint(json.dumps([shlex.quote(t) for t in json.load(sys.stdin)]))';
  const python = spawnSync('/usr/bin/python3', ['-c', program], {
    input: JSON.stringify(texts),
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    timeout: 60_000,
  });
  assert.is(python.status, 0, python.stderr);
  assert.equal(JSON.parse(python.stdout), texts.map(quoteWord));
});

printed.run();
