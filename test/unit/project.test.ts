import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { findMalformedLines, notesOf } from '../../scripts/changelog.ts';
import { ownerOf, PACKAGE } from '../../scripts/package-info.ts';
import { ROOT } from '../../scripts/setup.ts';

const project = suite('project');

const FILES = execFileSync('git', ['ls-files'], { cwd: ROOT, encoding: 'utf8' }).trim().split('\n');
const TEXTS = FILES.map((file) => [file, readFileSync(join(ROOT, file), 'utf8')] as const);
const YAML = TEXTS.filter(([file]) => /^\.github\/.*\.yml$/.test(file));

project('every address of the repository and the image names the owner in package.json', () => {
  const address = /(?:github\.com|ghcr\.io)\/([\w-]+)\/supervisor-exporter/g;
  const owners = TEXTS.flatMap(([file, text]) =>
    [...text.matchAll(address)].map(([, owner = '']) => ({ file, owner: owner.toLowerCase() })),
  );
  assert.ok(owners.length >= 5);
  const owner = ownerOf().toLowerCase();
  assert.equal(
    owners.filter((found) => found.owner !== owner),
    [],
  );
});

project('CHANGELOG.md has one line of a known kind for each change', () => {
  const changelog = readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8');
  assert.equal(findMalformedLines(changelog), []);
  const text =
    '# Changelog\n\n## 0.2.0 / 2027-01-31\n\n- [BUGFIX] One.\n\n## 0.1.0 / 2026-12-01\n\n- Two\n';
  assert.is(notesOf('0.2.0', text), '- [BUGFIX] One.');
  assert.equal(findMalformedLines(text), ['- Two']);
  assert.throws(() => notesOf('0.3.0', text), /no heading/);
});

project('workflows and templates are YAML, and run scripts that exist', () => {
  assert.ok(YAML.length >= 5);
  for (const [file, text] of YAML) assert.type(parse(text), 'object', file);
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const commands = [...YAML, ...TEXTS.filter(([file]) => /^\.ci\/|Dockerfile$/.test(file))];
  for (const [file, text] of commands) {
    for (const [, name = ''] of text.matchAll(/\bnpm run (?:--silent )?([\w:-]+)/g)) {
      assert.ok(Object.hasOwn(scripts, name), `${file}: npm run ${name}`);
    }
  }
});

project('the version is in package.json and the lock file only', () => {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
  assert.is(lock.version, PACKAGE.version);
  const sources = TEXTS.filter(([file]) => /^(?:src|scripts|packaging)\/|Dockerfile$/.test(file));
  const files = sources.filter(([, text]) => text.includes(`'${PACKAGE.version}'`));
  assert.equal(
    files.map(([file]) => file),
    [],
  );
});

project.run();
