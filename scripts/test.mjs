/**
 * `npm test [-- PATTERN…]`: sets up, builds, and runs every test file whose path holds one
 * of the patterns, each in a process of its own. uvu has no deadline and calls a promise
 * that never settles a success, so a file has to report its count in time to pass.
 */

import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { needNpmPackages, needSystemPackages, run } from './setup.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const FILE_DEADLINE_MS = 240_000;
const KILL_AFTER_MS = 15_000;

needSystemPackages({
  supervisor: ['supervisord', '--version'],
  prometheus: ['promtool', '--version'],
  'prometheus-alertmanager': ['prometheus-alertmanager', '--version'],
  'prometheus-node-exporter': ['prometheus-node-exporter', '--version'],
  'python3-prometheus-client': ['/usr/bin/python3', '-c', 'import prometheus_client'],
  procps: ['ps', '--version'],
  openssl: ['openssl', 'version'],
  curl: ['curl', '--version'],
  chromium: ['chromium', '--version'],
});
needNpmPackages();
run(process.execPath, ['scripts/build.mjs']);

const files = findTests(process.argv.slice(2));
const results = [];
await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, runNext));

const passed = sum(results.map((result) => result.passed));
const failed = sum(results.map((result) => result.failed));
const troubled = results.filter((result) => result.failed > 0).map((result) => result.file);
if (troubled.length > 0) console.log(`failed: ${troubled.join(', ')}`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;

async function runNext() {
  for (let file = files.shift(); file !== undefined; file = files.shift()) {
    const result = await runFile(file);
    results.push(result);
    const verdict = result.failed === 0 ? 'ok    ' : 'FAILED';
    console.log(`${verdict} ${file} (${result.passed} passed, ${(result.ms / 1000).toFixed(1)} s)`);
    if (result.failed > 0) console.log(result.output);
  }
}

/** Runs one file; a file that dies, hangs or reports no tests counts as one failure. */
function runFile(file) {
  const began = performance.now();
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--import', 'tsx', file], {
      cwd: root,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    const deadline = setTimeout(() => {
      output += `\nnot done after ${FILE_DEADLINE_MS / 1000} s\n`;
      // SIGTERM first: a supervisord that the test runs then ends its programs.
      killGroup(child.pid, 'SIGTERM');
      setTimeout(() => killGroup(child.pid, 'SIGKILL'), KILL_AFTER_MS).unref();
    }, FILE_DEADLINE_MS);
    child.on('close', (code) => {
      clearTimeout(deadline);
      const [, total = 0] = /Total:\s+(\d+)/.exec(output) ?? [];
      const [, passed = 0] = /Passed:\s+(\d+)/.exec(output) ?? [];
      const failed = Number(total) - Number(passed);
      const isSound = code === 0 && Number(total) > 0 && !/Skipped:\s+[1-9]/.test(output);
      resolve({
        file,
        output,
        passed: Number(passed),
        failed: isSound ? failed : Math.max(failed, 1),
        ms: performance.now() - began,
      });
    });
  });
}

function killGroup(pid, signal) {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/** The slow ones first, so that none of them is left to run alone at the end. */
function findTests(patterns) {
  return ['test/e2e', 'test/protocol', 'test/unit'].flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.test.ts'))
      .sort()
      .map((name) => `${folder}/${name}`)
      .filter((file) => patterns.length === 0 || patterns.some((part) => file.includes(part))),
  );
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}
