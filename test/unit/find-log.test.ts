import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { logFileIn } from '../../src/exits/find-log.ts';

const find = suite('the log of supervisord');

const CONFIGURATIONS: ReadonlyArray<readonly [configuration: string, logFile: string | undefined]> =
  [
    ['[supervisord]\nlogfile=/var/log/s.log\n', '/var/log/s.log'],
    ['[supervisord]\nlogfile = /var/log/s.log ; (main log)\n', '/var/log/s.log'],
    ['[supervisord]\r\nlogfile: a b.log\r\n', 'a b.log'],
    ['[supervisord]\n;logfile=/no\n#logfile=/no\nnodaemon=true\n', undefined],
    ['[program:a]\nlogfile=/no\nstdout_logfile=/no\n[supervisord]\npidfile=/p\n', undefined],
    ['[supervisord]\nlogfile_maxbytes=1MB\nlogfile=%(here)s/s.log\n', '%(here)s/s.log'],
    ['[supervisord]\nlogfile=/a\n[program:x]\n[supervisord]\nlogfile=/b\n', '/b'],
    ['', undefined],
  ];

for (const [configuration, logFile] of CONFIGURATIONS) {
  find(JSON.stringify(configuration), () => {
    assert.is(logFileIn(configuration), logFile);
  });
}

find.run();
