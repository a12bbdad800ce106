import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FLAGS } from '../../src/cli/flags.ts';
import { formOfFlag } from '../../src/cli/help.ts';
import type { Flag } from '../../src/cli/usage.ts';
import { timed } from '../support/deadline.ts';
import { dpkg, lint, PROGRAM, withRoot } from '../support/deb.ts';
import { assertMainJob, build, digestOf, pathWithoutNode, ROOT } from '../support/packaging.ts';

const deb = suite('deb');
const run = promisify(execFile);

const built = build('build:deb').then(([path = '']) => path);

deb(
  'two builds give the same bytes',
  timed(60_000, async () => {
    const digest = digestOf(await built);
    // Another mask would show in the modes of files.
    const { stdout } = await run('sh', ['-c', 'umask 077; npm run --silent build:deb'], {
      cwd: ROOT,
    });
    assert.is(digestOf(stdout.trim()), digest);
  }),
);

deb(
  'lintian finds nothing',
  timed(120_000, async () => assert.is(await lint(await built), '')),
);

deb(
  'installed, its program does its main job with the Node of the host',
  timed(120_000, () =>
    withRoot(built, async (root, dir) => {
      await assertMainJob([process.execPath, join(root, PROGRAM)], dir, pathWithoutNode(dir));
    }),
  ),
);

deb(
  'it installs the section, the rules and the dashboard, and removal leaves nothing',
  timed(60_000, () =>
    withRoot(built, async (root) => {
      const share = join(root, 'usr/share/supervisor-exporter');
      const section = readFileSync(join(share, 'exporter.conf'), 'utf8');
      assert.match(section, /^command=\/usr\/bin\/node \/usr\/bin\/supervisor-exporter$/m);
      await run('promtool', ['check', 'rules', join(share, 'prometheus-rules/alerts.yml')]);
      assert.ok(existsSync(join(share, 'grafana/supervisor-exporter.json')));
      // supervisord would start whatever is in its folder.
      assert.not.ok(existsSync(join(root, 'etc')));

      await dpkg(root, '--purge', 'supervisor-exporter');
      const { stdout } = await run('find', [join(root, 'usr'), '-type', 'f']).catch(() => ({
        stdout: '',
      }));
      assert.is(stdout, '');
    }),
  ),
);

deb(
  'man shows every flag with its help and warns of nothing',
  timed(60_000, () =>
    withRoot(built, async (root) => {
      const page = join(root, 'usr/share/man/man1/supervisor-exporter.1.gz');
      const env = { ...process.env, MANWIDTH: '1000', LC_ALL: 'C.UTF-8' };
      const { stdout, stderr } = await run('man', ['--warnings', '-l', page], { env });
      assert.is(stderr, '');
      const words = (text: string) => text.replaceAll('…', '...').replaceAll(/\s+/g, ' ');
      for (const [name, flag] of Object.entries<Flag>(FLAGS)) {
        assert.ok(stdout.includes(formOfFlag(name, flag)), name);
        assert.ok(words(stdout).includes(words(flag.help)), name);
      }
    }),
  ),
);

deb.run();
