/**
 * Every error that this program raises on purpose. The codes stay the same between releases;
 * a message is one line for people, and never repeats a value that may hold a password.
 */

export type ErrorCode =
  | 'ERR_USAGE'
  | 'ERR_INVALID_URL'
  | 'ERR_UNPRINTABLE_COMMAND'
  | 'ERR_OUTPUT'
  | 'ERR_LISTEN'
  | 'ERR_WEB_CONFIG'
  | 'ERR_ALERTMANAGER_CONFIG'
  | 'ERR_RPC_UNREACHABLE'
  | 'ERR_RPC_UNAUTHORIZED'
  | 'ERR_RPC_TIMEOUT'
  | 'ERR_RPC_HTTP_STATUS'
  | 'ERR_RPC_FAULT'
  | 'ERR_RPC_NOT_XML_RPC'
  | 'ERR_RPC_UNEXPECTED_VALUE';

export class ExporterError<Code extends ErrorCode = ErrorCode> extends Error {
  override readonly name: string = 'ExporterError';
  readonly code: Code;

  constructor(code: Code, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** A command line that cannot be followed; the message names the flag and what is wrong. */
export class UsageError extends ExporterError<'ERR_USAGE'> {
  constructor(message: string) {
    super('ERR_USAGE', message);
  }
}

/** A URL that cannot be used; the message continues the name of its source and does not repeat the URL. */
export class InvalidUrlError extends ExporterError<'ERR_INVALID_URL'> {
  constructor(message: string) {
    super('ERR_INVALID_URL', message);
  }
}

/** A command that supervisord's configuration cannot hold. */
export class UnprintableCommandError extends ExporterError<'ERR_UNPRINTABLE_COMMAND'> {
  constructor(message: string) {
    super('ERR_UNPRINTABLE_COMMAND', message);
  }
}

/** A file that cannot be written; the message names it and the reason. */
export class OutputError extends ExporterError<'ERR_OUTPUT'> {
  constructor(message: string, cause?: unknown) {
    super('ERR_OUTPUT', message, cause);
  }
}

/** An address that cannot be listened on; the message names it and the reason. */
export class ListenError extends ExporterError<'ERR_LISTEN'> {
  constructor(message: string, cause?: unknown) {
    super('ERR_LISTEN', message, cause);
  }
}

/** A web configuration file that cannot be used; the message is `FILE:LINE: what is wrong`. */
export class WebConfigError extends ExporterError<'ERR_WEB_CONFIG'> {
  constructor(message: string) {
    super('ERR_WEB_CONFIG', message);
  }
}

/** Settings for Alertmanager that cannot be used; the message is `FILE: what is wrong`, never a secret. */
export class AlertmanagerConfigError extends ExporterError<'ERR_ALERTMANAGER_CONFIG'> {
  constructor(message: string) {
    super('ERR_ALERTMANAGER_CONFIG', message);
  }
}

export type RpcErrorCode = Extract<ErrorCode, `ERR_RPC_${string}`>;

/** An XML-RPC call that failed; the message names the endpoint, never the credentials. */
export class RpcError extends ExporterError<RpcErrorCode> {}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
