import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FLAGS, type Flag } from '../../src/cli/flags.ts';
import { timed } from '../support/deadline.ts';
import { assertMainJob, build, digestOf, pathWithoutNode, ROOT } from '../support/packaging.ts';
import { withFolder } from '../support/prometheus.ts';

const deb = suite('deb');
const run = promisify(execFile);
const PROGRAM = 'usr/bin/supervisor-exporter';

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
      for (const [name, { help }] of Object.entries<Flag>(FLAGS)) {
        if (help === undefined) continue;
        assert.ok(stdout.includes(`--${name}`), name);
        assert.ok(words(stdout).includes(words(help)), name);
      }
    }),
  ),
);

deb(
  'the package with the executable does its main job where there is no Node',
  timed(180_000, async () => {
    // xz at its default level takes most of a minute and changes nothing else.
    const fast = { DPKG_DEB_COMPRESSOR_LEVEL: '0' };
    const [standalone = ''] = await build('build:deb', ['--standalone'], fast);
    assert.is(await lint(standalone), '');
    await withRoot(standalone, async (root, dir) => {
      const section = join(root, 'usr/share/supervisor-exporter/exporter.conf');
      assert.match(readFileSync(section, 'utf8'), /^command=\/usr\/bin\/supervisor-exporter$/m);
      await assertMainJob([join(root, PROGRAM)], dir, pathWithoutNode(dir));
    });
  }),
);

/** What lintian prints without the overridden tags; it exits with 2 where it prints a tag. */
async function lint(file: string): Promise<string> {
  const { stdout } = await run('lintian', ['--allow-root', '--fail-on', 'none', file]);
  return stdout;
}

/** Installs the package into the root of an empty host, without the packages it depends on. */
async function withRoot(
  file: string | Promise<string>,
  body: (root: string, dir: string) => Promise<void>,
): Promise<void> {
  const path = await file;
  await withFolder('deb', async (dir) => {
    const root = join(dir, 'root');
    for (const folder of ['info', 'updates']) {
      mkdirSync(join(root, 'var/lib/dpkg', folder), { recursive: true });
    }
    writeFileSync(join(root, 'var/lib/dpkg/status'), '');
    await dpkg(root, '--force-depends', '--install', path);
    await body(root, dir);
  });
}

/** In a user namespace where the test is not run by root, since files are installed as root's. */
async function dpkg(root: string, ...args: readonly string[]): Promise<void> {
  const command = ['dpkg', `--root=${root}`, '--no-triggers', '--log=/dev/null', ...args];
  const isRoot = process.getuid?.() === 0;
  const [program = '', ...rest] = isRoot ? command : ['unshare', '--map-root-user', ...command];
  await run(program, rest);
}

deb.run();
