/** The serializer and the deserializer of `xmlrpc`, which are used without its client. */

declare module 'xmlrpc/lib/serializer.js' {
  interface Serializer {
    serializeMethodCall(methodName: string, params: readonly unknown[]): string;
  }

  const serializer: Serializer;
  // The one export of a CommonJS module that every bundler and Node agree on.
  export default serializer;
}

declare module 'xmlrpc/lib/deserializer.js' {
  import type { Readable } from 'node:stream';

  export default class Deserializer {
    /** Of `sax`. */
    readonly parser: {
      on(event: 'opentag' | 'closetag' | 'attribute', handle: () => void): unknown;
      on(event: 'text', handle: (text: string) => void): unknown;
    };
    deserializeMethodResponse(
      reply: Readable,
      callback: (error: unknown, value: unknown) => void,
    ): void;
  }
}
