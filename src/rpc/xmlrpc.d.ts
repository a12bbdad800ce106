/** The serializer and the deserializer of `xmlrpc`, which are used without its client. */

declare module 'xmlrpc/lib/serializer.js' {
  export function serializeMethodCall(methodName: string, params: readonly unknown[]): string;
}

declare module 'xmlrpc/lib/deserializer.js' {
  import type { Readable } from 'node:stream';

  export default class Deserializer {
    deserializeMethodResponse(
      reply: Readable,
      callback: (error: unknown, value: unknown) => void,
    ): void;
  }
}
