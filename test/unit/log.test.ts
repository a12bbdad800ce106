import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createLogger, type LogFields, type LogFormat, type LogLevel } from '../../src/util/log.ts';

const log = suite('log');
const NOW = new Date('2026-01-02T03:04:05.678Z');

log('logfmt quotes values that would break the line', () => {
  assert.is(
    line('logfmt', 'a b', { plain: 'x:y/z', equals: 'a=b', newline: 'a\nb', none: '', n: 1 }),
    'time=2026-01-02T03:04:05.678Z level=WARN msg="a b" plain=x:y/z equals="a=b" newline="a\\nb" none="" n=1\n',
  );
});

log('JSON logs one object per line', () => {
  assert.equal(JSON.parse(line('json', 'a\nb', { n: 1, ok: true })), {
    time: '2026-01-02T03:04:05.678Z',
    level: 'WARN',
    msg: 'a\nb',
    n: 1,
    ok: true,
  });
});

log('messages below the log level are omitted', () => {
  const lines: string[] = [];
  const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];
  for (const lowest of levels) {
    const logger = createLogger(
      lowest,
      'logfmt',
      (text) => lines.push(text),
      () => NOW,
    );
    for (const level of levels) logger[level]?.(`${lowest}-${level}`);
  }
  assert.equal(
    lines.map((text) => /msg=(\S+)/.exec(text)?.[1]),
    [
      'debug-debug',
      'debug-info',
      'debug-warn',
      'debug-error',
      'info-info',
      'info-warn',
      'info-error',
      'warn-warn',
      'warn-error',
      'error-error',
    ],
  );
});

function line(format: LogFormat, msg: string, fields: LogFields): string {
  let written = '';
  createLogger(
    'info',
    format,
    (text) => (written += text),
    () => NOW,
  ).warn(msg, fields);
  return written;
}

log.run();
