/**
 * A client's connection between the socket and Node's HTTP parser.
 *
 * Node parses all requests of a chunk in one turn of the event loop, however many there are,
 * and answers them side by side. Here the parser is given one line at a time, since the head
 * of a request ends with a line, and nothing while a request of the connection is in work.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { RequestScheduler } from './scheduler.ts';
import type { UnsentAnswers } from './unsent.ts';

/** No longer than this is read ahead of the parser: a request head has at most 16 KiB. */
const MAX_READ_AHEAD_BYTES = 16 * 1024;
/** Empty lines before a request count too, and there may be any number of them. */
const MAX_LINES_PER_TURN = 100;
/**
 * How long the client has to close after the last answer. A close at once would discard an
 * answer that it has not read yet if it has sent more than was read (RFC 9112, section 9.6).
 */
const LINGER_MS = 500;

const LINE_FEED = 0x0a;
const NOTHING = Buffer.alloc(0);

export interface ConnectionOptions {
  readonly scheduler: RequestScheduler;
  readonly unsent: UnsentAnswers;
}

type Done = (error?: Error | null) => void;

export class Connection extends Duplex {
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  /** What the parser has not been given yet. */
  #input: Buffer = NOTHING;
  #hasClientEnded = false;
  /** The answer to the request in work. */
  #response: ServerResponse | undefined;
  #linger: NodeJS.Timeout | undefined;

  constructor(socket: Socket, options: ConnectionOptions) {
    super({ decodeStrings: false });
    this.#socket = socket;
    this.#options = options;
    // A client that has ended its side still gets the answers to what it has sent.
    socket.allowHalfOpen = true;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('end', () => this.#clientEnded());
    socket.on('timeout', () => this.emit('timeout'));
    // It is followed by `close`.
    socket.on('error', () => {});
    socket.on('close', () => this.destroy());
  }

  /** Whether the client may still send requests; one that has ended its side has most likely gone. */
  get isClientConnected(): boolean {
    return !this.destroyed && !this.#hasClientEnded;
  }

  /** What carries the connection: a TLSSocket with TLS. */
  get transport(): Socket {
    return this.#socket;
  }

  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress;
  }

  get remotePort(): number | undefined {
    return this.#socket.remotePort;
  }

  /** A request is in work until its response is closed. */
  startAnswer(response: ServerResponse): void {
    this.#response = response;
    response.once('close', () => {
      this.#response = undefined;
      // After the other listeners, for which this request is still in work.
      queueMicrotask(() => this.#schedule());
    });
  }

  parseNext(): void {
    for (let line = 0; line < MAX_LINES_PER_TURN && this.#canParse; line++) {
      this.push(this.#takeLine());
    }
    if (this.#input.length < MAX_READ_AHEAD_BYTES) this.#socket.resume();
    if (this.#input.length > 0) this.#schedule();
    else if (this.#hasClientEnded && this.#isParserFree) this.push(null);
  }

  /** Node's HTTP server calls this for the time between two requests. */
  setTimeout(ms: number): this {
    this.#socket.setTimeout(ms);
    return this;
  }

  override resume(): this {
    super.resume();
    this.#schedule();
    return this;
  }

  override _read(): void {
    this.#schedule();
  }

  override _write(chunk: string | Buffer, encoding: BufferEncoding, done: Done): void {
    this.#socket.write(chunk, encoding, this.#whenSent(done));
  }

  /** Head and body go out together: in two packets the second would wait for the client's delayed acknowledgement of the first. */
  override _writev(
    chunks: readonly { readonly chunk: string | Buffer; readonly encoding: BufferEncoding }[],
    done: Done,
  ): void {
    const sent = this.#whenSent(done);
    this.#socket.cork();
    chunks.forEach(({ chunk, encoding }, index) => {
      this.#socket.write(chunk, encoding, index === chunks.length - 1 ? sent : undefined);
    });
    this.#socket.uncork();
  }

  override _final(done: Done): void {
    this.#input = NOTHING;
    this.#linger = setTimeout(() => this.destroy(), LINGER_MS);
    this.#socket.end(() => done());
    if (this.#hasClientEnded) this.push(null);
  }

  override _destroy(error: Error | null, done: Done): void {
    clearTimeout(this.#linger);
    this.#input = NOTHING;
    this.#options.scheduler.remove(this);
    this.#options.unsent.remove(this);
    this.#socket.destroy();
    done(error);
  }

  #receive(chunk: Buffer): void {
    // After the last answer nothing is parsed; reading on would cost time that events need.
    if (this.writableEnded) return void this.#socket.pause();
    this.#input = this.#input.length === 0 ? chunk : Buffer.concat([this.#input, chunk]);
    if (this.#input.length >= MAX_READ_AHEAD_BYTES) this.#socket.pause();
    this.#schedule();
  }

  #clientEnded(): void {
    this.#hasClientEnded = true;
    const response = this.#response;
    // An answer without an end, such as a stream of events, would have no reader.
    const isEndless = response?.headersSent && !response.writableEnded;
    if (isEndless || this.writableEnded) this.destroy();
    else this.#schedule();
  }

  get #isParserFree(): boolean {
    return (
      this.#response === undefined &&
      !this.destroyed &&
      !this.writableEnded &&
      !this.readableEnded &&
      this.readableFlowing === true &&
      this.readableLength === 0
    );
  }

  get #canParse(): boolean {
    return this.#input.length > 0 && this.#isParserFree;
  }

  #schedule(): void {
    if (this.#canParse || (this.#hasClientEnded && this.#isParserFree)) {
      this.#options.scheduler.add(this);
    }
  }

  #takeLine(): Buffer {
    const end = this.#input.indexOf(LINE_FEED) + 1 || this.#input.length;
    const line = this.#input.subarray(0, end);
    this.#input = this.#input.subarray(end);
    return line;
  }

  #whenSent(done: Done): Done {
    this.#options.unsent.add(this);
    return (error) => {
      this.#options.unsent.remove(this);
      done(error);
    };
  }
}

/** Whether there still is a client to work for. */
export function isClientConnected({ socket }: IncomingMessage): boolean {
  const connection: Duplex = socket;
  return connection instanceof Connection ? connection.isClientConnected : !socket.destroyed;
}

/** The socket that a request came over. */
export function transportOf({ socket }: IncomingMessage): Socket {
  const connection: Duplex = socket;
  return connection instanceof Connection ? connection.transport : socket;
}
