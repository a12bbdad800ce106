import { execFileSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually, timed } from '../support/deadline.ts';
import { withPrometheus } from '../support/prometheus.ts';
import { play, type Supervisord } from '../support/supervisord.ts';

const prometheus = suite('prometheus');

/** Prints each family as parsed by Prometheus' Python client: name, type, number of samples. */
const PARSE = `
import sys
from prometheus_client.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    print(family.name, family.type, len(family.samples))
`;

prometheus(
  'promtool reports no problem, and the Python client parses /metrics',
  timed(60_000, () =>
    play({ conf: 'boot' }, async (supervisord) => {
      const text = await textOfAll(supervisord);
      assert.is(
        execFileSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' }),
        '',
      );
      const families = execFileSync('/usr/bin/python3', ['-c', PARSE], {
        input: text,
        encoding: 'utf8',
      }).split('\n');
      assert.ok(families.includes('supervisord_up gauge 63'), families.join('\n'));
      assert.ok(families.includes('supervisord_process_transitions counter 756'));
      assert.ok(families.includes('supervisord_info gauge 1'));
    }),
  ),
);

prometheus(
  'a real Prometheus scrapes the exporter and distinguishes processes by name',
  timed(90_000, () =>
    play({ conf: 'boot' }, async (supervisord) => {
      await textOfAll(supervisord);
      await withPrometheus(`127.0.0.1:${supervisord.port}`, async (server) => {
        await eventually(20_000, async () => {
          const [up] = await server.query('sum(supervisord_up)');
          assert.is(up?.value[1], '63');
        });
        const targets = await server.targets();
        assert.equal(
          targets.map(({ health, lastError }) => ({ health, lastError })),
          [{ health: 'up', lastError: '' }],
        );
        const [rocket] = await server.query('supervisord_state{name="🚀rocket"}');
        assert.is(rocket?.value[1], '20');
        assert.is(rocket?.metric['group'], '🚀rocket');

        await supervisord.ctl('stop', '🚀rocket');
        await eventually(10_000, async () => {
          const [transitions] = await server.query(
            'supervisord_process_transitions_total{name="🚀rocket", from="STOPPING", to="STOPPED"}',
          );
          assert.is(transitions?.value[1], '1');
        });
      });
    }),
  ),
);

/** The text of /metrics once all processes of the boot are running. */
async function textOfAll(supervisord: Supervisord): Promise<string> {
  await supervisord.until(20_000, (metrics) => {
    assert.is(metrics.value('supervisord_processes', { state: 'RUNNING' }), 63);
  });
  return (await fetch(supervisord.url('/metrics'))).text();
}

prometheus.run();
