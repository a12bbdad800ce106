/**
 * Reads what supervisord sends, and acknowledges it.
 *
 * An event is applied before it is acknowledged, so that one that was not applied comes again.
 */

import split2 from 'split2';
import type { MalformedEvent, SupervisorEvent } from '../supervisor/events.ts';
import { ACKNOWLEDGEMENT } from './dialogue.ts';
import { parseEvent } from './events.ts';
import { type Frame, frameMatcher, readFrame } from './frames.ts';
import type { Input } from './input.ts';

export interface ListenerHandlers {
  /** Applies an event, which is acknowledged then. `at`: when it came, in epoch seconds. */
  readonly onEvent: (event: SupervisorEvent, at: number) => void;
  readonly onMalformed: (event: MalformedEvent, at: number) => void;
  /** It is acknowledged, and supervisord goes on: there is time for all else that follows from it. */
  readonly onAcknowledged: (event: SupervisorEvent | MalformedEvent, at: number) => void;
  /** The stream can't be followed any more; nothing was acknowledged, and nothing more comes. */
  readonly onUnframeable: (reason: string) => void;
  readonly onEnd: () => void;
}

/** Answers over `send` what comes by `input`, until that ends. READY has been said. */
export function listen(
  input: Input,
  send: (text: string) => void,
  handlers: ListenerHandlers,
): void {
  const frames = split2(frameMatcher, readFrame);
  frames.on('data', (frame: Frame) => {
    switch (frame.kind) {
      case 'whole':
        take(frame.header, frame.payload, send, handlers);
        break;
      case 'unframeable':
        frames.destroy();
        handlers.onUnframeable(frame.reason);
        break;
      case 'partial':
        // The stream has ended inside it: supervisord is gone.
        break;
      default: {
        const unhandled: never = frame;
        throw new Error(`unhandled frame ${unhandled}`);
      }
    }
  });
  frames.on('end', handlers.onEnd);
  input(frames);
}

function take(
  header: string,
  payload: string,
  send: (text: string) => void,
  handlers: ListenerHandlers,
): void {
  const at = Date.now() / 1000;
  const event = parseEvent(header, payload);
  if (event.kind === 'malformed') handlers.onMalformed(event, at);
  else handlers.onEvent(event, at);
  send(ACKNOWLEDGEMENT);
  handlers.onAcknowledged(event, at);
}
