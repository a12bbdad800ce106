/**
 * Every error that this program raises on purpose. The codes stay the same between releases; a
 * message is one line, and never repeats a value that may hold a password.
 */

abstract class ExporterError extends Error {
  override readonly name = 'ExporterError';
  abstract readonly code: string;

  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
  }
}

/** An invalid command line; the message names the flag and what is wrong. */
export class UsageError extends ExporterError {
  readonly code = 'ERR_USAGE';
}

/** A URL that cannot be used; the message continues the name of its source and does not repeat the URL. */
export class InvalidUrlError extends ExporterError {
  readonly code = 'ERR_INVALID_URL';
}

/** A command that supervisord's configuration cannot hold. */
export class UnprintableCommandError extends ExporterError {
  readonly code = 'ERR_UNPRINTABLE_COMMAND';
}

/** A file that cannot be written; the message names it and the reason. */
export class OutputError extends ExporterError {
  readonly code = 'ERR_OUTPUT';
}

/** An address that cannot be listened on; the message names it and the reason. */
export class ListenError extends ExporterError {
  readonly code = 'ERR_LISTEN';
}

/** A web configuration file that cannot be used; the message is `FILE:LINE: what is wrong`. */
export class WebConfigError extends ExporterError {
  readonly code = 'ERR_WEB_CONFIG';
}

/** Settings for Alertmanager that cannot be used; the message is `FILE: what is wrong`, never a secret. */
export class AlertmanagerConfigError extends ExporterError {
  readonly code = 'ERR_ALERTMANAGER_CONFIG';
}

export type RpcErrorCode =
  | 'ERR_RPC_UNREACHABLE'
  | 'ERR_RPC_UNAUTHORIZED'
  | 'ERR_RPC_TIMEOUT'
  | 'ERR_RPC_HTTP_STATUS'
  | 'ERR_RPC_FAULT'
  | 'ERR_RPC_NOT_XML_RPC'
  | 'ERR_RPC_UNEXPECTED_VALUE';

/** An XML-RPC call that failed; the message names the endpoint, never the credentials. */
export class RpcError extends ExporterError {
  readonly code: RpcErrorCode;

  constructor(code: RpcErrorCode, message: string, cause?: unknown) {
    super(message, cause);
    this.code = code;
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
