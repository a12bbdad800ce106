/** System errors in words. */

const WORDS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EADDRINUSE: 'the address is in use',
  EADDRNOTAVAIL: 'this machine has no such address',
  EAI_AGAIN: 'the host name could not be resolved',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection closed',
  EISDIR: 'it is a folder',
  ELOOP: 'too many links',
  EMFILE: 'too many open files',
  ENOENT: 'no such file',
  ENOSPC: 'no space left',
  ENOTDIR: 'no such folder',
  ENOTFOUND: 'no such host',
  EPERM: 'permission denied',
  EPIPE: 'connection closed',
};

/** `overrides`: codes that mean something more precise to the caller. */
export function describeSystemError(
  error: unknown,
  overrides: Readonly<Record<string, string>> = {},
): string {
  const code = errorCode(error);
  const words = code === undefined ? undefined : (overrides[code] ?? WORDS[code]);
  return words ?? (error instanceof Error ? error.message : String(error));
}

/** What `read` returns; undefined where a system error keeps it from being read. */
export function ifReadable<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return undefined;
  }
}

/** The code of a system error, such as ENOENT; undefined for any other value. */
export function errorCode(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}
