/** A client of server-sent events that a test can pause. */

import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { Message } from '../../src/web/page/view.ts';
import { eventually, within } from './deadline.ts';

export class StreamReader {
  readonly response: IncomingMessage;
  readonly messages: Message[] = [];
  /** The last 100,000 characters as received. */
  text = '';
  isOver = false;
  readonly #request: ClientRequest;

  constructor(outgoing: ClientRequest, response: IncomingMessage) {
    this.#request = outgoing;
    this.response = response;
    response.on('close', () => {
      this.isOver = true;
    });
    // Some tests wait for the error of a stream that the server has cut off.
    response.on('error', () => {});
    let rest = '';
    response.setEncoding('utf8').on('data', (more: string) => {
      this.text = `${this.text}${more}`.slice(-100_000);
      const frames = `${rest}${more}`.split('\n\n');
      rest = frames.pop() ?? '';
      for (const frame of frames) this.messages.push(JSON.parse(frame.replace(/^data: /, '')));
    });
  }

  /** Waits until `check` passes for the messages received so far, and resolves to its result. */
  until<T>(check: (messages: readonly Message[]) => T, ms = 5_000): Promise<Awaited<T>> {
    return eventually(ms, () => check(this.messages), 5);
  }

  close(): void {
    this.#request.destroy();
  }
}

export function openStream(url: string): Promise<StreamReader> {
  const opened = new Promise<StreamReader>((resolve, reject) => {
    const outgoing = request(url, { agent: false }, (response) =>
      resolve(new StreamReader(outgoing, response)),
    );
    outgoing.on('error', reject).end();
  });
  return within(5_000, 'stream', opened);
}
