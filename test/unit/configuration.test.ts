import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Configuration,
  type Files,
  parseEnvironment,
  readConfiguration,
} from '../../src/doctor/configuration.ts';
import { glob } from '../../src/doctor/glob.ts';
import { type Expanded, expand } from '../../src/doctor/python.ts';

const configuration = suite('configuration');

/** A file system in memory. */
function filesOf(texts: Readonly<Record<string, string>>): Files {
  return {
    read: (path) => {
      const text = texts[path];
      return text === undefined
        ? { kind: 'unreadable', reason: 'no such file' }
        : { kind: 'text', text };
    },
    list: (folder) => {
      const inside = Object.keys(texts)
        .filter((path) => path.startsWith(folder === '/' ? '/' : `${folder}/`))
        .map((path) => path.slice(folder === '/' ? 1 : folder.length + 1).split('/')[0] ?? '');
      return [...new Set(inside)];
    },
  };
}

function read(texts: Readonly<Record<string, string>>): Configuration {
  const surroundings = { hostname: 'h1', environment: { DIR: '/d', EMPTY: undefined } };
  return readConfiguration('/etc/s.conf', filesOf(texts), surroundings);
}

function settingOf({ sections }: Configuration, section: string, option: string) {
  return sections.find(({ name }) => name === section)?.settings.get(option)?.value;
}

configuration('included files: several patterns, in order, relative to the file', () => {
  const { included, patterns } = read({
    '/etc/s.conf': '[include]\nfiles = c.d/*.conf\n  /opt/%(host_node_name)s.ini %(ENV_DIR)s/x.ini',
    '/etc/c.d/b.conf': '',
    '/etc/c.d/a.conf': '',
    '/etc/c.d/.hidden.conf': '',
    '/etc/c.d/c.txt': '',
    '/opt/h1.ini': '',
    '/d/x.ini': '',
  });
  assert.equal(included, ['/etc/c.d/a.conf', '/etc/c.d/b.conf', '/opt/h1.ini', '/d/x.ini']);
  assert.equal(patterns, ['/etc/c.d/*.conf', '/opt/h1.ini', '/d/x.ini']);
});

configuration('%(here)s is the folder of the file that contains it', () => {
  const found = read({
    '/etc/s.conf': '[include]\nfiles=%(here)s/c.d/*\n[a]\nx=%(here)s/x',
    '/etc/c.d/b': '[b]\ny=%(here)s/y',
  });
  assert.is(settingOf(found, 'a', 'x'), '/etc/x');
  assert.is(settingOf(found, 'b', 'y'), '/etc/c.d/y');
});

configuration("[supervisord] environment= is known to the others, and a program's own name", () => {
  const found = read({
    '/etc/s.conf': [
      '[supervisord]\nenvironment=PORT="81",X=%(ENV_DIR)s',
      '[eventlistener:e]\ncommand=%(program_name)s %(ENV_PORT)s %(ENV_X)s %(process_num)02d %(ENV_OWN)s',
      'environment=OWN=%(ENV_X)s/y',
    ].join('\n'),
  });
  assert.is(settingOf(found, 'eventlistener:e', 'command'), 'e 81 /d 00 /d/y');
  assert.equal(found.unexpanded, []);
});

configuration('a value that cannot be expanded is reported and left unchanged', () => {
  const found = read({ '/etc/s.conf': '[a]\nx=%(ENV_NO)s\ny=5%\n' });
  assert.is(settingOf(found, 'a', 'x'), '%(ENV_NO)s');
  assert.equal(
    found.unexpanded.map(({ option, name, place }) => [option, name, place.line]),
    [
      ['x', 'ENV_NO', 2],
      ['y', undefined, 3],
    ],
  );
});

configuration('a file that can not be read, and lines that mean nothing', () => {
  assert.equal(read({}).unreadable, [{ path: '/etc/s.conf', reason: 'no such file' }]);
  assert.equal(read({ '/etc/s.conf': 'x=1\n' }).errors, [{ file: '/etc/s.conf', line: 1 }]);
});

const EXPANSIONS: ReadonlyArray<readonly [text: string, expanded: Expanded]> = [
  ['a%%b', { kind: 'expanded', text: 'a%b' }],
  ['%(s)s-%(s)5s|', { kind: 'expanded', text: 'v-    v|' }],
  ['%(s)-3s|', { kind: 'expanded', text: 'v  |' }],
  ['%(n)d %(n)03d %(n)s', { kind: 'expanded', text: '7 007 7' }],
  ['%(no)s', { kind: 'unknown', name: 'no' }],
  ['%(s)d', { kind: 'malformed' }],
  ['100%', { kind: 'malformed' }],
  ['%(s)', { kind: 'malformed' }],
];

for (const [text, expanded] of EXPANSIONS) {
  configuration(`${JSON.stringify(text)} expands as in Python`, () => {
    assert.equal(expand(text, { s: 'v', n: 7 }), expanded);
  });
}

const ENVIRONMENTS: ReadonlyArray<readonly [text: string, values: unknown]> = [
  ['', {}],
  ['A=1,B="x,y" , C=\'z\'', { A: '1', B: 'x,y', C: 'z' }],
  ['A="1"\n,B=/a-b', { A: '1', B: '/a-b' }],
  ['A', undefined],
  ['A=1,B', undefined],
];

for (const [text, values] of ENVIRONMENTS) {
  configuration(`environment=${JSON.stringify(text)}`, () => {
    assert.equal(parseEnvironment(text), values);
  });
}

const GLOBS: ReadonlyArray<readonly [pattern: string, found: readonly string[]]> = [
  ['/c/*.conf', ['/c/a.conf', '/c/b.conf']],
  ['/c/?.conf', ['/c/a.conf', '/c/b.conf']],
  ['/c/[!a].conf', ['/c/b.conf']],
  ['/c/[ab].c*f', ['/c/a.conf', '/c/b.conf']],
  ['/*/a.conf', ['/c/a.conf']],
  ['/c/.*', ['/c/.x.conf']],
  ['/c/a.conf', ['/c/a.conf']],
  ['/c/no.conf', []],
  ['/c/a+conf', []],
];

for (const [pattern, found] of GLOBS) {
  configuration(`the files of ${pattern}`, () => {
    const { list } = filesOf({ '/c/a.conf': '', '/c/b.conf': '', '/c/.x.conf': '', '/d/x': '' });
    assert.equal(glob(pattern, list), found);
  });
}

configuration.run();
