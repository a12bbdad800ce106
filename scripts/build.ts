/** Bundles src/main.ts and what it imports into the one file that runs with `node FILE` alone. */

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { BuildOptions, PluginBuild } from 'esbuild';
import { bundle, bundleInChunks, metafiles } from './bundle.ts';
import { formatNotices, packagesOf } from './notices.ts';
import { formatSbom } from './sbom.ts';
import { ROOT, replaceFile } from './setup.ts';

const { version, bin } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const target = join(ROOT, bin['supervisor-exporter']);

const program = await bundleInChunks('src/main.ts', {
  define: {
    BUILD_VERSION: JSON.stringify(version),
    BUILD_REVISION: JSON.stringify(revision()),
    BUILD_SECTION: JSON.stringify(readFileSync(join(ROOT, 'supervisor/exporter.conf'), 'utf8')),
    BUILD_RULES: asJsonText(ruleFiles()),
    // A worker thread needs code of its own, and there is no second file for it.
    PASSWORD_WORKER: JSON.stringify(await bundle('src/web-config/worker.ts')),
    BUILD_PAGE_ASSETS: asJsonText(await pageAssets()),
  },
  // The ES modules, of which unused code can be dropped; the package has CommonJS for Node.
  alias: { yaml: './node_modules/yaml/browser/dist/index.js' },
  plugins: [{ name: 'leave out', setup: leaveOut }],
});
const packages = packagesOf(metafiles);
const notices = formatNotices(packages, join(ROOT, 'node_modules'));

mkdirSync(dirname(target), { recursive: true });
replaceFile(join(dirname(target), 'THIRD-PARTY-NOTICES'), notices);
replaceFile(join(dirname(target), 'supervisor-exporter.cdx.json'), formatSbom(packages));
replaceFile(target, `${program}\n/*\n${notices.replaceAll('*/', '* /')}*/\n`, 0o755);

/** A string, because esbuild inserts that where it is used; it makes an object at the start. */
function asJsonText(value: unknown): string {
  return JSON.stringify(JSON.stringify(value));
}

/** What the command `rules` writes. */
function ruleFiles(): Readonly<Record<string, string>> {
  const files = [
    ...['alerts.yml', 'recording.yml', 'prometheus.yml', 'alertmanager.yml', 'RUNBOOK.md'].map(
      (name) => `prometheus-rules/${name}`,
    ),
    'grafana/supervisor-exporter.json',
  ];
  return Object.fromEntries(
    files.map((file) => [basename(file), readFileSync(join(ROOT, file), 'utf8')]),
  );
}

/** The script, style and icon of the page in src/web/page. */
async function pageAssets() {
  const options: BuildOptions = {
    platform: 'browser',
    target: ['chrome111', 'firefox113', 'safari16.4'],
    format: 'esm',
    charset: 'utf8',
    minify: true,
  };
  return {
    script: withDigest(await bundle('src/web/page/client/main.ts', options)),
    style: withDigest(await bundle('src/web/page/style.css', options)),
    icon: withDigest(readFileSync(join(ROOT, 'src/web/page/page.svg'), 'utf8')),
  };
}

/** Computed here, so that the exporter need not load node:crypto at its start. */
function withDigest(body: string) {
  const digest = createHash('sha256').update(body).digest('base64url').slice(0, 16);
  return { body, digest };
}

/**
 * What prom-client loads at its start and the exporter never calls: the push gateway, which
 * loads TLS, summaries, clusters, and OpenTelemetry, for exemplars.
 */
function leaveOut({ onLoad }: PluginBuild): void {
  const unused =
    /\/(?:prom-client\/lib\/(?:pushgateway|summary|cluster)|@opentelemetry\/api\/.*)\.c?js$/;
  onLoad({ filter: unused }, () => ({ contents: '' }));
}

/** The commit that is built, from REVISION where the source tree is without git. */
function revision(): string {
  const given = process.env['REVISION'];
  if (given) return given;
  try {
    const args = ['rev-parse', '--short', 'HEAD'];
    return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return 'unknown';
  }
}
