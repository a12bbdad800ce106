import { spawnSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { completionScript } from '../../src/cli/completion.ts';
import { COMMANDS, FLAGS } from '../../src/cli/flags.ts';

const completion = suite('completion');

/** What bash offers for the words of a command line, of which the last one is incomplete. */
function complete(...words: readonly string[]): string[] {
  const quoted = ['supervisor-exporter', ...words].map((word) => `'${word}'`).join(' ');
  const script = `${completionScript()}
COMP_WORDS=(${quoted}); COMP_CWORD=${words.length}
compopt() { :; }
_supervisor_exporter; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr, status } = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
  assert.is(stderr, '');
  assert.ok(status === 0 || status === 1);
  return stdout.split('\n').filter((line) => line !== '');
}

completion('every flag and command is offered', () => {
  const all = complete('');
  for (const command of Object.keys(COMMANDS)) assert.ok(all.includes(command), command);
  for (const flag of Object.keys(FLAGS)) {
    assert.ok(all.includes(`--${flag}`) || all.includes(`--${flag}=`), flag);
  }
  assert.equal(complete('--supervisor.n'), ['--supervisor.nudge']);
  assert.equal(complete('--no-sup'), ['--no-supervisor.nudge']);
  assert.equal(complete('--web.tel'), ['--web.telemetry-path=']);
  assert.equal(complete('doc'), ['doctor']);
});

completion('values are offered where there are few, and files where one is wanted', () => {
  assert.equal(complete('--log.format', '=', 'j'), ['json']);
  assert.equal(complete('--log.format', '='), ['logfmt', 'json']);
  assert.equal(complete('--log.format', 'j'), ['json']);
  assert.ok(complete('--web.config.file', '=', '/etc/passw').includes('/etc/passwd'));
});

completion.run();
