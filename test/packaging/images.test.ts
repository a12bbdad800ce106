import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { timed, within } from '../support/deadline.ts';
import { ImageScript, inRoot, parseDockerfile } from '../support/dockerfile.ts';
import { Exposition } from '../support/exposition.ts';
import { ROOT } from '../support/packaging.ts';
import { withFolder } from '../support/prometheus.ts';

const images = suite('images');
const run = promisify(execFile);

const EXPORTER = 'ghcr.io/OWNER/supervisor-exporter';
const EXAMPLE = join(ROOT, 'packaging/example-image');

/** Around the results of the script, since the steps also print. */
const MARK = '---';

const PRINT_METRICS =
  "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:9876/metrics').read().decode())";

images(
  'the steps of both Dockerfiles make an image whose health check and metrics are right',
  timed(220_000, () =>
    withFolder('images', async (dir) => {
      const script = new ImageScript();
      const exporter = script.build(ROOT, EXPORTER);
      script.add(`echo ${MARK}; (cd ${exporter.root} && find . -type f | sort); echo ${MARK}`);
      const example = script.build(EXAMPLE, 'example');
      // The base image has no Node.
      script.add(`rm -f ${example.root}/usr/bin/node ${example.root}/usr/local/bin/node`);
      script.add(
        'ip link set lo up',
        // A container engine gives the output to the user of the image.
        `touch "$ROOTS/output"; chown ${example.user} "$ROOTS/output"`,
        `${inRoot(example, example.command)} >"$ROOTS/output" 2>&1 & supervisord=$!`,
        'trap "kill $supervisord; wait $supervisord || true" EXIT',
        'tries=0',
        `until ${inRoot(example, example.healthCheck)} 2>/dev/null; do`,
        '  tries=$((tries + 1)); sleep 0.5',
        '  if [ $tries -gt 60 ]; then cat "$ROOTS/output"; exit 1; fi',
        'done',
        // Until the worker has exited and the reason is known.
        'tries=0',
        `until ${inRoot(example, ['python3', '-c', PRINT_METRICS])} >"$ROOTS/metrics" &&`,
        `  grep -q 'supervisord_exit_status{.*worker.*} 3' "$ROOTS/metrics"; do`,
        '  tries=$((tries + 1)); sleep 0.5',
        '  if [ $tries -gt 60 ]; then break; fi',
        'done',
        `echo ${MARK}`,
        'cat "$ROOTS/metrics"',
      );
      const output = await runScript(dir, script.text);
      const [, files = '', , metrics = ''] = output.split(new RegExp(`^${MARK}$`, 'm'));
      assert.equal(files.trim().split('\n'), [
        './usr/local/bin/supervisor-exporter',
        './usr/local/share/doc/supervisor-exporter/LICENSE',
        './usr/local/share/doc/supervisor-exporter/supervisor-exporter-linux-x64.THIRD-PARTY-NOTICES',
        './usr/local/share/doc/supervisor-exporter/supervisor-exporter-linux-x64.cdx.json',
      ]);
      const exposition = new Exposition(metrics);
      assert.is(exposition.value('supervisord_up', { name: 'web' }), 1);
      assert.is(exposition.value('supervisord_exit_status', { name: 'worker' }), 3);
      assert.is(exposition.value('supervisord_exporter_rpc_up'), 1);
    }),
  ),
);

images('the example image runs as an unprivileged user and names the image of the project', () => {
  const example = parseDockerfile(readFileSync(join(EXAMPLE, 'Dockerfile'), 'utf8'));
  assert.equal(example.find(({ name }) => name === 'USER')?.text, 'nobody');
  assert.equal(example.find(({ name }) => name === 'ARG')?.text, `EXPORTER=${EXPORTER}`);
});

/**
 * In namespaces of its own, so that nothing is left mounted or running and the port is free. The
 * build takes npm's packages by the network, which the namespace of the test does not have.
 */
async function runScript(dir: string, script: string): Promise<string> {
  const roots = join(dir, 'roots');
  mkdirSync(roots);
  const [build = '', service = ''] = script.split(/^(?=ip link)/m);
  const file = join(dir, 'images.sh');
  writeFileSync(file, `${build}\nunshare --net sh -eu -c '${service.replaceAll("'", `'"'"'`)}'\n`);
  const isRoot = process.getuid?.() === 0;
  const flags = [
    '--mount',
    '--pid',
    '--fork',
    '--kill-child',
    ...(isRoot ? [] : ['--map-auto', '--map-root-user']),
  ];
  const environment = { PATH: process.env['PATH'], HOME: process.env['HOME'], ROOTS: roots };
  const running = run('unshare', [...flags, 'sh', file], { env: environment, maxBuffer: 1 << 24 });
  const { stdout } = await within(200_000, 'the images', running);
  return stdout;
}

images.run();
