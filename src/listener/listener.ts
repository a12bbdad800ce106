/**
 * Reads what supervisord sends, and acknowledges it.
 *
 * An event is applied before it is acknowledged, so that supervisord sends one again that was
 * not applied. Everything else that follows from it comes after the acknowledgement.
 */

import split2 from 'split2';
import type { MalformedEvent, SupervisorEvent } from '../supervisor/events.ts';
import { ACKNOWLEDGEMENT } from './dialogue.ts';
import { parseEvent } from './events.ts';
import { type Frame, FrameMatcher, readFrame } from './frames.ts';
import type { Input } from './input.ts';

export interface ListenerHandlers {
  /**
   * Applies an event that was received at `at` (epoch seconds), in memory only. Returns what is
   * to be done after the acknowledgement.
   */
  readonly onEvent: (event: SupervisorEvent | MalformedEvent, at: number) => () => void;
  /** The stream cannot be divided into events any more; nothing was acknowledged. */
  readonly onUnframeable: (reason: string) => void;
  readonly onEnd: () => void;
}

/** Acknowledges over `send` what `input` delivers, until that ends. READY has been sent. */
export function listen(
  input: Input,
  send: (text: string) => void,
  { onEvent, onUnframeable, onEnd }: ListenerHandlers,
): void {
  const frames = split2(new FrameMatcher(), readFrame);
  frames.on('data', (frame: Frame) => {
    switch (frame.kind) {
      case 'whole': {
        const afterAck = onEvent(parseEvent(frame.header, frame.payload), Date.now() / 1000);
        send(ACKNOWLEDGEMENT);
        afterAck();
        break;
      }
      case 'unframeable':
        frames.destroy();
        onUnframeable(frame.reason);
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
  frames.on('end', onEnd);
  input(frames);
}
