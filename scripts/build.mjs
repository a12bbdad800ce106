/** Bundles src/main.ts and what it needs into the one file that runs with `node FILE` alone. */

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const { version, bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const target = join(root, bin['supervisor-exporter']);

const program = await bundle('src/main.ts', {
  banner: { js: '#!/usr/bin/env node' },
  define: {
    BUILD_VERSION: JSON.stringify(version),
    BUILD_REVISION: JSON.stringify(revision()),
    BUILD_SECTION: JSON.stringify(readFileSync(join(root, 'supervisor/exporter.conf'), 'utf8')),
    // A thread needs code of its own, and there is no second file for it to be in.
    PASSWORD_WORKER: JSON.stringify(await bundle('src/web-config/worker.ts')),
    BUILD_PAGE_ASSETS: JSON.stringify(await pageAssets()),
  },
  plugins: [
    { name: 'leave out', setup: leaveOut },
    { name: 'as text', setup: asText },
  ],
});

// Put in place in one step: an exporter may be starting from the old one right now.
mkdirSync(dirname(target), { recursive: true });
const unfinished = `${target}.${process.pid}`;
writeFileSync(unfinished, program);
chmodSync(unfinished, 0o755);
renameSync(unfinished, target);

/** What the page of src/web/page loads: its script, its style and its icon. */
async function pageAssets() {
  const options = {
    platform: 'browser',
    target: ['chrome111', 'firefox113', 'safari16.4'],
    format: 'esm',
    charset: 'utf8',
    minify: true,
    lineLimit: 0,
  };
  return {
    script: withDigest(await bundle('src/web/page/client/main.ts', options)),
    style: withDigest(await bundle('src/web/page/style.css', options)),
    icon: withDigest(readFileSync(join(root, 'src/web/page/page.svg'), 'utf8')),
  };
}

/** Taken here: node:crypto would be loaded at each start for it. */
function withDigest(body) {
  const digest = createHash('sha256').update(body).digest('base64url').slice(0, 16);
  return { body, digest };
}

/** The text of an entry point with all that it needs. */
async function bundle(entryPoint, options = {}) {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [entryPoint],
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    legalComments: 'inline',
    // Half the memory that the text takes; names stay, and lines, for whoever reads a stack trace.
    minifyWhitespace: true,
    lineLimit: 160,
    logLevel: 'warning',
    ...options,
  });
  return outputFiles[0].text;
}

/**
 * Packages that READY does not wait for, and that are nearly half of the file: V8 passes over
 * a text faster than over code, which is compiled when it is first required.
 */
function asText({ onLoad, onResolve }) {
  const entryPoints = {
    'xmlrpc/lib/serializer.js': 'xmlrpc/lib/serializer.js',
    'xmlrpc/lib/deserializer.js': 'xmlrpc/lib/deserializer.js',
    // The modules of which what is not used is left out; the package has CommonJS for Node.
    yaml: './node_modules/yaml/browser/dist/index.js',
  };
  const filter = new RegExp(`^(?:${Object.keys(entryPoints).join('|')})$`);
  onResolve({ filter }, ({ path }) => ({ path, namespace: 'as text' }));
  onLoad({ filter, namespace: 'as text' }, async ({ path }) => ({
    contents: `new Function('module', 'exports', 'require', ${JSON.stringify(await bundle(entryPoints[path]))})(module, exports, require);`,
    resolveDir: root,
  }));
}

/**
 * What prom-client loads at its start and is never called here: pushing to a gateway, which
 * loads TLS, and OpenTelemetry, for exemplars.
 */
function leaveOut({ onLoad }) {
  onLoad({ filter: /\/(?:prom-client\/lib\/pushgateway|@opentelemetry\/api\/.*)\.c?js$/ }, () => ({
    contents: '',
  }));
}

/** The commit that is built; a source tree without git has none. */
function revision() {
  try {
    const args = ['rev-parse', '--short', 'HEAD'];
    return execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return 'unknown';
  }
}
