/**
 * Wakes supervisord, whose poll lasts up to a second after an exit before it sends the event.
 * Any readable descriptor ends the poll.
 *
 * - A line on our own stderr: supervisord reads it from a pipe that it polls already. It also
 *   works without an HTTP server. The line is in the user's log, so it is a useful one: one for
 *   each exit, at most one in 100 ms.
 * - Connecting to supervisord's HTTP server and closing the connection leaves no trace, but
 *   makes supervisord create and discard a channel. It is used for all other purposes. If it fails,
 *   for example because the exporter's user may not use the socket, a line is written instead.
 */

import { connect, type Socket } from 'node:net';
import type { SupervisorEndpoint } from '../rpc/endpoint.ts';
import type { LogFields, Logger } from '../util/log.ts';

const LINE_EVERY_MS = 100;
/** Lines that follow each other are answered by one connection: the poll has ended already. */
const CONNECT_EVERY_MS = 20;
const CONNECT_TIMEOUT_MS = 1_000;

export interface WakerOptions {
  /** Undefined: supervisord has no HTTP server. */
  readonly endpoint: SupervisorEndpoint | undefined;
  readonly log: Logger;
  /** Whether the log level lets a line of level info through. */
  readonly logsInfo: boolean;
}

export class Waker {
  readonly #options: WakerOptions;
  #lineAt = Number.NEGATIVE_INFINITY;
  #connectedAt = Number.NEGATIVE_INFINITY;
  #lineTimer: NodeJS.Timeout | undefined;
  #connectTimer: NodeJS.Timeout | undefined;
  /** Times that supervisord was woken. */
  count = 0;

  constructor(options: WakerOptions) {
    this.#options = options;
  }

  stop(): void {
    clearTimeout(this.#lineTimer);
    clearTimeout(this.#connectTimer);
  }

  /** A process has exited, and its event is still to come. The fields describe it. */
  wakeForExit(fields: LogFields): void {
    const isLineDue = performance.now() - this.#lineAt >= LINE_EVERY_MS;
    if (this.#options.logsInfo && isLineDue) this.#writeLine('process exited', fields);
    else this.wake();
  }

  /** Something has happened, and its event is still to come. */
  wake(): void {
    const { endpoint } = this.#options;
    if (endpoint === undefined) this.#wakeByLine();
    else this.#wakeByConnection(endpoint);
  }

  #wakeByConnection(endpoint: SupervisorEndpoint): void {
    const wait = this.#connectedAt + CONNECT_EVERY_MS - performance.now();
    if (wait > 0) {
      this.#connectTimer ??= setTimeout(() => {
        this.#connectTimer = undefined;
        this.#wakeByConnection(endpoint);
      }, wait);
      return;
    }
    this.#connectedAt = performance.now();
    const socket = connectTo(endpoint);
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => socket.destroy());
    socket.on('connect', () => {
      this.count += 1;
      socket.destroy();
    });
    socket.on('error', () => this.#wakeByLine());
  }

  /** The line is written at every log level, because nothing else can wake supervisord. */
  #wakeByLine(): void {
    const wait = this.#lineAt + LINE_EVERY_MS - performance.now();
    if (wait > 0) {
      this.#lineTimer ??= setTimeout(() => {
        this.#lineTimer = undefined;
        this.#wakeByLine();
      }, wait);
      return;
    }
    this.#writeLine('supervisord is about to send events', {});
  }

  #writeLine(text: string, fields: LogFields): void {
    const { log, logsInfo } = this.#options;
    this.count += 1;
    this.#lineAt = performance.now();
    if (logsInfo) log.info(text, fields);
    else log.error(text, fields);
  }
}

function connectTo(endpoint: SupervisorEndpoint): Socket {
  return endpoint.kind === 'unix'
    ? connect({ path: endpoint.socketPath })
    : connect({ host: endpoint.host, port: endpoint.port });
}
