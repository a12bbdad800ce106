/** What packages state about this project; package.json is the one place of each fact. */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail, ROOT } from './setup.ts';

interface PackageJson {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly homepage: string;
  readonly author: string;
  readonly repository: { readonly url: string };
}

export const PACKAGE = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as PackageJson;

/** The account that publishes: the owner of the repository. */
export function ownerOf({ repository }: Pick<PackageJson, 'repository'> = PACKAGE): string {
  const [, owner] = /^git\+https:\/\/github\.com\/([^/]+)\//.exec(repository.url) ?? [];
  return owner ?? fail(`package.json: no owner in repository.url ${repository.url}`);
}

/**
 * When the source was last changed, in seconds: the time of all files in a package, so that the
 * same source gives the same bytes.
 */
export function sourceDate(): number {
  const given = process.env['SOURCE_DATE_EPOCH'];
  if (given !== undefined) {
    return /^\d+$/.test(given) ? Number(given) : fail('SOURCE_DATE_EPOCH is not a number');
  }
  try {
    const args = ['log', '-1', '--format=%ct'];
    return Number(execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' }));
  } catch {
    return fail('this source tree is without git: set SOURCE_DATE_EPOCH');
  }
}
