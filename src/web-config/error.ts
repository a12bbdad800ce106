/** A web configuration that can't be followed; the message is one line, `FILE:LINE: what is wrong`. */
export class WebConfigError extends Error {
  override readonly name = 'WebConfigError';
}
