/** `OWNER=name npm run set-owner` names the account that publishes, in every file that does. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ownerOf } from './package-info.ts';
import { fail, ROOT, succeed } from './setup.ts';

const owner = process.env['OWNER'] ?? '';
if (!/^[a-z\d](?:[a-z\d-]{0,37}[a-z\d])?$/i.test(owner)) {
  fail('set OWNER to the name of a GitHub account');
}
const former = ownerOf();
for (const file of succeed('git', ['ls-files']).trim().split('\n')) {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const changed = text
    .replaceAll(
      `github.com/${former}/supervisor-exporter`,
      `github.com/${owner}/supervisor-exporter`,
    )
    // The names of images are in lower case.
    .replaceAll(
      new RegExp(`ghcr\\.io/${former}/supervisor-exporter`, 'gi'),
      `ghcr.io/${owner.toLowerCase()}/supervisor-exporter`,
    );
  if (changed === text) continue;
  writeFileSync(join(ROOT, file), changed);
  console.log(file);
}
