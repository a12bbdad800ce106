import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Config, parseCommandLine } from '../../src/cli/flags.ts';
import { askAlertmanagers, labelsOf } from '../../src/doctor/alertmanagers.ts';
import { checkAlertmanager } from '../../src/doctor/check-alerts.ts';
import { withAlertmanager } from '../support/alertmanager.ts';
import { timed } from '../support/deadline.ts';
import { freePort } from '../support/ports.ts';
import { withFolder } from '../support/prometheus.ts';

const alertmanagers = suite('doctor asks Alertmanager');

const RULE_URL = 'http://prometheus:9090/graph?g0.expr=1';

const UNEXPECTED_EXIT = {
  alertname: 'SupervisorProcessUnexpectedExit',
  severity: 'warning',
  group: 'web',
  name: 'web-0',
};

function configOf(...flags: readonly string[]): Config {
  const invocation = parseCommandLine(flags, {});
  if (invocation.kind !== 'run') throw new Error('not the exporter');
  return invocation.config;
}

/** What doctor finds, a line each. */
async function find(config: Config, folder = '/'): Promise<string[]> {
  const own = labelsOf(config, 'web1');
  const answers = await askAlertmanagers(config, folder);
  return answers.flatMap((answer) =>
    checkAlertmanager(answer, own, 'supervisorctl update').map(
      ({ level, check, message }) => `${level} ${check}: ${message}`,
    ),
  );
}

alertmanagers(
  'alerts of the rules are distinguished from pushed ones, and their labels are compared',
  timed(60_000, () =>
    withAlertmanager(async (alertmanager) => {
      const config = configOf(
        `--alertmanager.url=${alertmanager.url}`,
        '--alertmanager.label=cluster=c1',
      );
      const answers = `ok alertmanager: ${alertmanager.url} answers`;
      assert.equal(await find(config), [answers]);

      const own = labelsOf(config, 'web1') ?? {};
      assert.equal(own, { job: 'supervisor', instance: 'web1:9876', cluster: 'c1' });
      await alertmanager.post([{ ...own, ...UNEXPECTED_EXIT }]);
      await alertmanager.post([{ ...own, ...UNEXPECTED_EXIT, instance: 'web2:9876' }], RULE_URL);
      await alertmanager.post([{ alertname: 'Other', instance: 'web1:9876' }], RULE_URL);
      assert.equal(await find(config), [
        answers,
        'warn alert labels: pushed alerts have instance="web1:9876", and alerts of the rules have instance="web2:9876": each alert is notified twice, unless the rule was that of another exporter',
      ]);

      // An alert of a rule for this very instance decides.
      const { cluster: _, ...withoutCluster } = own;
      await alertmanager.post([{ ...withoutCluster, ...UNEXPECTED_EXIT }], RULE_URL);
      assert.equal(await find(config), [
        answers,
        'warn alert labels: pushed alerts have cluster="c1", and alerts of the rules have no cluster: each alert is notified twice',
      ]);
    }),
  ),
);

alertmanagers(
  'an Alertmanager that cannot be used is reported with the reason',
  timed(30_000, () =>
    withFolder('doctor-alertmanagers', async (dir) => {
      const port = await freePort();
      const url = `http://127.0.0.1:${port}`;
      assert.match(
        (await find(configOf(`--alertmanager.url=${url}`))).join('\n'),
        /^fail alertmanager: http:\S+ cannot be used: .*ECONNREFUSED/,
      );
      const file = join(dir, 'client.yml');
      writeFileSync(file, 'tls_config: {ca_file: missing.pem}');
      assert.match(
        (
          await find(configOf(`--alertmanager.url=${url}`, `--alertmanager.config.file=${file}`))
        ).join('\n'),
        /^fail alertmanager: http:\S+ cannot be used: .*missing\.pem/,
      );
      const relative = configOf(
        `--alertmanager.url=${url}`,
        '--alertmanager.config.file=client.yml',
      );
      assert.match((await find(relative, dir)).join('\n'), /missing\.pem/);
    }),
  ),
);

alertmanagers.run();
