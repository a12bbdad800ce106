import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually, timed, within } from '../support/deadline.ts';
import { runDoctor } from '../support/doctor.ts';
import { PROGRAM } from '../support/exporter.ts';
import { Exposition } from '../support/exposition.ts';
import { freePort } from '../support/ports.ts';

const printed = suite('print-config');
const run = promisify(execFile);

const SECRET = 's% ec"ret';
const ENCODED = encodeURIComponent(SECRET);

/** `port`: of the XML-RPC server. The user has a program with the name of the shipped section. */
function configuration(port: number): string {
  return `[supervisord]
nodaemon=true
logfile=%(here)s/supervisord.log
pidfile=%(here)s/supervisord.pid
childlogdir=%(here)s
[inet_http_server]
port=127.0.0.1:${port}
username=me
password=${SECRET.replaceAll('%', '%%')}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[program:exporter]
command=sleep infinity
startsecs=0
[include]
files=conf.d/*.conf
`;
}

/** An Alertmanager that writes down who asks. */
async function withAlertmanager(
  body: (port: number, authorizations: Set<string | undefined>) => Promise<void>,
): Promise<void> {
  const authorizations = new Set<string | undefined>();
  const server = createServer((request, response) => {
    if (request.method === 'POST') authorizations.add(request.headers.authorization);
    request.resume();
    response.end(request.method === 'GET' ? '[]' : '');
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  try {
    await body(port, authorizations);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

printed(
  'its output runs under a supervisord in another folder, with the flags of this one and no secret in sight',
  timed(90_000, () =>
    withAlertmanager(async (alertmanager, authorizations) => {
      const dir = mkdtempSync(join(tmpdir(), 'supervisor-exporter-'));
      mkdirSync(join(dir, 'conf.d'));
      mkdirSync(join(dir, 'home'));
      const conf = join(dir, 'supervisord.conf');
      const [rpc, port] = [await freePort(), await freePort()];
      writeFileSync(conf, configuration(rpc));
      writeFileSync(
        join(dir, 'home/web.yml'),
        'http_server_config:\n  headers:\n    X-Frame-Options: deny\n',
      );
      const { stdout, stderr } = await run(
        process.execPath,
        [
          ...[
            PROGRAM,
            'print-config',
            `--supervisor.config=${conf}`,
            '--web.config.file',
            'web.yml',
          ],
          `--web.listen-address=127.0.0.1:${port}`,
          `--supervisor.url=http://me:${ENCODED}@127.0.0.1:${rpc}`,
          `--alertmanager.url=http://you:${ENCODED}@127.0.0.1:${alertmanager}`,
        ],
        { cwd: join(dir, 'home') },
      );
      assert.is(stderr, '');
      assert.match(stdout, '\n[eventlistener:supervisor-exporter]\n');
      assert.match(stdout, ` --web.config.file=${join(dir, 'home/web.yml')} `);
      writeFileSync(join(dir, 'conf.d/exporter.conf'), stdout);

      const supervisord = spawn('supervisord', ['-c', conf], { cwd: '/', stdio: 'ignore' });
      const ended = once(supervisord, 'close');
      try {
        await eventually(30_000, async () => {
          const response = await fetch(`http://127.0.0.1:${port}/metrics`);
          assert.is(response.headers.get('x-frame-options'), 'deny');
          const metrics = new Exposition(await response.text());
          assert.is(metrics.value('supervisord_exporter_rpc_up'), 1);
          assert.is(metrics.value('supervisord_state', { name: 'exporter' }), 20);
          assert.is(metrics.value('supervisord_state', { name: 'supervisor-exporter' }), 20);
        });
        const pid = Number(
          await supervisorctl(rpc, 'pid', 'supervisor-exporter').then((text) => text.trim()),
        );
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        assert.not.match(command, /ec.?.?.?ret/);
        process.kill(Number(await supervisorctl(rpc, 'pid', 'exporter')), 'SIGKILL');
        const wanted = `Basic ${Buffer.from(`you:${SECRET}`).toString('base64')}`;
        await eventually(15_000, () => assert.equal([...authorizations], [wanted]));
        const { text, problems } = await runDoctor({ args: [`--supervisor.config=${conf}`] });
        assert.equal(problems, [], text);
        assert.match(text, /ok {4}alertmanager {5}http:\/\/127\.0\.0\.1:\d+ answers/);
        assert.not.match(text, SECRET);

        // Printed again, the section keeps the name that it has.
        const again = await run(process.execPath, [
          PROGRAM,
          'print-config',
          `--supervisor.config=${conf}`,
        ]);
        assert.match(again.stdout, '\n[eventlistener:supervisor-exporter]\n');
      } finally {
        supervisord.kill('SIGTERM');
        await within(20_000, 'end of supervisord', ended).catch(() => supervisord.kill('SIGKILL'));
        rmSync(dir, { recursive: true, force: true });
      }
    }),
  ),
);

async function supervisorctl(port: number, ...args: readonly string[]) {
  const flags = ['-s', `http://127.0.0.1:${port}`, '-u', 'me', '-p', SECRET];
  const { stdout } = await run('supervisorctl', [...flags, ...args], { cwd: '/' });
  return stdout;
}

printed(
  'where no supervisord and no configuration is found, a comment says so, and stderr stays empty',
  timed(30_000, async () => {
    const { stdout, stderr } = await run(
      process.execPath,
      [PROGRAM, 'print-config', '--supervisor.config=/nowhere/supervisord.conf'],
      { env: { PATH: '/nowhere' } },
    );
    assert.is(stderr, '');
    assert.match(
      stdout,
      /; No program or group may have this name; .*\n; supervisord .*\n\[eventlistener:exporter\]/,
    );
  }),
);

printed.run();
