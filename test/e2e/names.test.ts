import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { timed } from '../support/deadline.ts';
import { play } from '../support/supervisord.ts';

const names = suite('odd names');

/** Values of %(ENV_X)s in process_name: supervisord checks the name before it is expanded. */
const VALUES = [
  'two words',
  ' leads',
  'trails ',
  'a\tb',
  'no\u00a0break',
  'x groupname:y from_state:RUNNING pid:1',
  'x (exit status 0; expected)',
  "it's",
  'ümläut 🚀',
  'semi;colon',
  'back\\slash',
  'co:lon',
  'two\nlines',
  '\nleads',
  'x (exit status 0; expected)\n2026-01-01 00:00:00,000 INFO exited: y (exit status 0; expected)',
];

const variable = (index: number) => `ODD_NAME_${index}`;

names(
  'every name that supervisord accepts is counted, also in a pool whose name begins with a blank',
  timed(90_000, () => {
    const programs = VALUES.map(
      (_, index) =>
        `[program:odd-${index}]\ncommand=sh -c "sleep 1.2; exit 3"\nprocess_name=%(ENV_${variable(index)})s\nautorestart=false\nstartsecs=1\n`,
    );
    programs.push(
      '[program:padded]\ncommand=sleep infinity\nprocess_name=%(process_num)2d\nnumprocs=2\n',
    );
    const environment = Object.fromEntries(VALUES.map((value, index) => [variable(index), value]));
    return play(
      { conf: 'quiet', environment, pool: ' exporter', files: { 'odd.conf': programs.join('\n') } },
      async (supervisord) => {
        await supervisord.until(30_000, (metrics) => {
          for (const reason of ['header', 'payload', 'unknown_event']) {
            const malformed = { reason };
            assert.is(metrics.value('supervisord_exporter_events_malformed_total', malformed), 0);
          }
          const reported = metrics.where('supervisord_process_unexpected_exits_total');
          for (const [index, name] of VALUES.entries()) {
            const group = `odd-${index}`;
            const exits = reported.filter(({ labels }) => labels['group'] === group);
            assert.equal(
              exits.map(({ labels, value }) => [labels['name'], value]),
              [[name, 1]],
            );
            assert.is(metrics.value('supervisord_exit_status', { group, name }), 3, name);
          }
          for (const name of [' 0', ' 1']) {
            const padded = { group: 'padded', name };
            assert.is(metrics.value('supervisord_state', padded), 20);
            assert.ok(
              metrics
                .where('supervisord_process_transitions_total', { ...padded, to: 'RUNNING' })
                .some(({ value }) => value === 1),
            );
          }
          assert.is(metrics.value('supervisord_state', { group: ' exporter' }), 20);
          assert.is(metrics.value('supervisord_exporter_resync_corrections_total'), 0);
          assert.is(metrics.value('supervisord_exporter_synced'), 1);
        });
      },
    );
  }),
);

names.run();
