import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FLAGS, parseCommandLine } from '../../src/cli/flags.ts';
import { formatCommand, printConfig } from '../../src/cli/print-config.ts';
import type { Flag } from '../../src/cli/usage.ts';
import { UnprintableCommandError } from '../../src/util/errors.ts';

const config = suite('print-config');
const SHIPPED = readFileSync(new URL('../../supervisor/exporter.conf', import.meta.url), 'utf8');
const NAME = { name: 'exporter', doubt: undefined };

function print(args: readonly string[], section = NAME): string {
  const invocation = parseCommandLine(['print-config', ...args], {});
  if (invocation.kind !== 'print-config') throw new Error(invocation.kind);
  const { flags } = invocation.request;
  return printConfig({ program: ['/n', '/x$&.cjs'], flags, cwd: '/here', section }, SHIPPED);
}

/** The lines that the shipped section does not have. */
function changed(text: string): string[] {
  const shipped = SHIPPED.split('\n');
  return text.split('\n').filter((line) => !shipped.includes(line));
}

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
  assert.equal(changed(print([])), ["command=/n '/x$&.cjs'"]);
  assert.is(print([]).split('\n').length, SHIPPED.split('\n').length);
});

for (const [name, flag] of Object.entries<Flag>(FLAGS)) {
  if (!flag.isPath || flag.commands !== undefined) continue;
  config(`the file of --${name} is absolute`, () => {
    assert.match(print([`--${name}=a/b`]), ` --${name}=/here/a/b\n`);
    assert.match(print([`--${name}`, '/a/b']), ` --${name}=/a/b\n`);
  });
}

config('a comment says why it is not known whether the name is free', () => {
  const text = print([], { name: 'supervisor-exporter', doubt: undefined });
  assert.match(text, '\n[eventlistener:supervisor-exporter]\n');
  const doubtful = printConfig(
    { program: ['/n'], flags: [], cwd: '/', section: { name: 'exporter', doubt: 'No one.' } },
    SHIPPED,
  );
  assert.match(
    doubtful,
    /; No program or group may have .*\n; No one\.\n\[eventlistener:exporter\]\n/,
  );
});

/** Flags with credentials, what is left of them in the command, and the environment. */
const SECRETS: ReadonlyArray<
  readonly [flags: readonly string[], command: string, environment: string]
> = [
  [
    ['--supervisor.url=http://u:p@h:9001/x'],
    ' --supervisor.url=http://h:9001/x',
    'SUPERVISOR_USERNAME="u",SUPERVISOR_PASSWORD="p"',
  ],
  [
    ['--supervisor.url=unix://u:p%25%22q@/run/s.sock'],
    ' --supervisor.url=unix:///run/s.sock',
    `SUPERVISOR_USERNAME="u",SUPERVISOR_PASSWORD='p%%"q'`,
  ],
  [
    ['--alertmanager.url=http://a:9093', '--alertmanager.url=https://u:p%40%20%3B"@b/c@d'],
    ' --alertmanager.url=http://a:9093',
    'SUPERVISOR_EXPORTER_ALERTMANAGER_URL="https://u:p%%40%%20%%3B%%22@b/c@d"',
  ],
  [
    ['--alertmanager.url=http://u:p@a', '--alertmanager.url=http://v:q@b'],
    '',
    'SUPERVISOR_EXPORTER_ALERTMANAGER_URL="http://u:p@a http://v:q@b"',
  ],
];

for (const [flags, command, environment] of SECRETS) {
  config(`credentials go into the environment: ${flags}`, () => {
    const lines = changed(print(flags));
    assert.equal(
      lines.filter((line) => !line.startsWith(';')),
      [`command=/n '/x$&.cjs'${command}`, `environment=MALLOC_ARENA_MAX="1",${environment}`],
    );
  });
}

config('a password that environment= cannot hold is refused, without repeating it', () => {
  for (const password of [
    '%22SECRET',
    "S%22'ECRET",
    'a%20%3BSECRET',
    'a%20%23SECRET',
    'SECRET%0A',
  ]) {
    assert.throws(
      () => print([`--supervisor.url=http://u:${password}@h:1`]),
      (error: unknown) =>
        error instanceof UnprintableCommandError && !error.message.includes('ECRET'),
      password,
    );
  }
});

config.run();
