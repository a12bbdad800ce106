import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Ini } from '../../src/doctor/ini.ts';

const ini = suite('ini');

type Values = Readonly<Record<string, Readonly<Record<string, string>>>>;

function read(...texts: readonly string[]): Values {
  const parsed = new Ini();
  for (const [index, text] of texts.entries()) parsed.add(`file${index}`, text);
  return Object.fromEntries(
    parsed.sections.map(({ name, settings }) => [
      name,
      Object.fromEntries([...settings].map(([option, { value }]) => [option, value])),
    ]),
  );
}

const TABLE: ReadonlyArray<readonly [title: string, text: string, values: Values]> = [
  ['a setting', '[a]\nx=1\n', { a: { x: '1' } }],
  ['spaces and a colon', '[a]\nX Y : 1 = 2 \n', { a: { 'x y': '1 = 2' } }],
  ['a comment after a space', '[a]\nx=1 ;2\ny=1;2\nz=1 #2\n', { a: { x: '1', y: '1;2', z: '1' } }],
  ['a comment of its own', '[a]\n;x=1\n  # y=1\n', { a: {} }],
  ['a value of several lines', '[a]\nx=1\n  2 ; no\n\n  3\ny=4', { a: { x: '1\n2\n\n3', y: '4' } }],
  ['a duplicate', '[a]\nx=1\n[b]\n[a]\nx=2\ny=3', { a: { x: '2', y: '3' }, b: {} }],
  ['defaults', '[DEFAULT]\nx=1\n[a]\n[b]\nx=2\n', { a: { x: '1' }, b: { x: '2' } }],
  ['nothing after the sign', '[a]\nx=\n  1\n', { a: { x: '\n1' } }],
  ['a heading with text after it', '[a] b]c\nx=1', { 'a] b': { x: '1' } }],
  ['CR LF', '[a]\r\nx=1\r\n', { a: { x: '1' } }],
];

for (const [title, text, values] of TABLE) {
  ini(title, () => assert.equal(read(text), values));
}

ini('a later file adds to a section, and wins', () => {
  assert.equal(read('[a]\nx=1\ny=1\n', '[a]\n  x=2\n'), { a: { x: '2', y: '1' } });
});

ini('each setting and each error has its place', () => {
  const parsed = new Ini();
  parsed.add('f', '\n[a]\nx=1\nnonsense\ny=2\n');
  assert.equal(parsed.section('a')?.place, { file: 'f', line: 2 });
  assert.equal(parsed.section('a')?.settings.get('y')?.place, { file: 'f', line: 5 });
  assert.equal(parsed.errors, [{ file: 'f', line: 4 }]);
});

/** Every file of a list as supervisord's own parser has it: its sections, or null for an error. */
const PYTHON = `
import json, sys
sys.path.append('/usr/lib/python3/dist-packages')
from supervisor.options import UnhosedConfigParser
def values(text):
    parser = UnhosedConfigParser()
    try:
        parser.read_string(text)
    except Exception:
        return None
    return {s: dict(parser.items(s)) for s in parser.sections()}
print(json.dumps([values(text) for text in json.load(sys.stdin)]))
`;

ini("what supervisord's own parser reads, from lines of all kinds", () => {
  const piece = fc.constantFrom(
    ...['[a]', '[b:c]', '[DEFAULT]', '[', ']', 'x', 'Y', '=', ':', ';', '#', ' ', '  ', '\t'],
    ...['%(here)s', '"', "'", '\u00a0', '\u0085', 'é', '🚀', '1', ''],
  );
  const line = fc.array(piece, { maxLength: 7 }).map((pieces) => pieces.join(''));
  const end = fc.constantFrom('\n', '\n', '\n', '\r\n', '\n\n');
  const text = fc
    .array(fc.tuple(line, end), { maxLength: 12 })
    .map((lines) => `[a]\nx=1\n${lines.flat().join('')}`);
  const texts = fc.sample(text, { numRuns: 3_000 });

  // A file that is opened as text has its line ends made alike, which read_string does not do.
  const input = JSON.stringify(texts.map((one) => one.replaceAll(/\r\n?/g, '\n')));
  const python = spawnSync('/usr/bin/python3', ['-W', 'ignore', '-c', PYTHON], {
    input,
    encoding: 'utf8',
    maxBuffer: 1e8,
    timeout: 60_000,
  });
  assert.is(python.status, 0, python.stderr);
  const wanted: unknown[] = JSON.parse(python.stdout);
  assert.ok(wanted.filter((values) => values !== null).length > 300);
  for (const [index, one] of texts.entries()) {
    const parsed = new Ini();
    parsed.add('f', one);
    const got = parsed.errors.length > 0 ? null : read(one);
    assert.equal(got, wanted[index], JSON.stringify(one));
  }
});

ini.run();
