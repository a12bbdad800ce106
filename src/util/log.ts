/** Log lines on stderr, in the two formats and with the fields of Prometheus' own components. */

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const LOG_FORMATS = ['logfmt', 'json'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

export type LogFields = Readonly<Record<string, string | number | boolean>>;

export type Log = (msg: string, fields?: LogFields) => void;

export interface Logger {
  /** Undefined where it would not be shown, so that `debug?.(…)` does not evaluate its fields. */
  readonly debug: Log | undefined;
  readonly info: Log;
  readonly warn: Log;
  readonly error: Log;
}

/** A logger that passes each line to `write`. */
export function createLogger(
  lowest: LogLevel,
  format: LogFormat,
  write: (line: string) => void,
  now: () => Date = () => new Date(),
): Logger {
  const formatLine = format === 'json' ? formatJson : formatLogfmt;
  const log = (level: LogLevel): Log => {
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(lowest)) return () => {};
    return (msg, fields = {}) =>
      write(
        `${formatLine({ time: now().toISOString(), level: level.toUpperCase(), msg, ...fields })}\n`,
      );
  };
  return {
    debug: lowest === 'debug' ? log('debug') : undefined,
    info: log('info'),
    warn: log('warn'),
    error: log('error'),
  };
}

function formatJson(fields: LogFields): string {
  return JSON.stringify(fields);
}

function formatLogfmt(fields: LogFields): string {
  return Object.entries(fields)
    .map(([key, value]) => `${key}=${logfmtValue(String(value))}`)
    .join(' ');
}

/** Quoted where a space, a quote, an equals sign or a control character would break the line. */
function logfmtValue(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern matches them on purpose
  return /^[^\s"=\u0000-\u001f\u007f]+$/.test(text) ? text : JSON.stringify(text);
}
