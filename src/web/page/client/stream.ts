/** The event stream: open while the page is visible, reopened after a loss. */

import { Backoff } from '../../../util/backoff.ts';
import type { Message } from '../view.ts';

const EVENTS = './-/events';

/** The server sends a message at least every 5 s. */
const SILENCE_MS = 15_000;
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 15_000;

export interface StreamHandlers {
  readonly onMessage: (message: Message) => void;
  /** The stream was lost and will be reopened. */
  readonly onLost: () => void;
}

/**
 * A hidden page closes its stream, since browsers allow only six connections to a server for
 * all pages together.
 */
export function followStream(handlers: StreamHandlers): void {
  let source: EventSource | undefined;
  let timer: number | undefined;
  const backoff = new Backoff({ firstMs: FIRST_RETRY_MS, longestMs: LONGEST_RETRY_MS });

  const close = () => {
    clearTimeout(timer);
    source?.close();
    source = undefined;
  };
  const open = () => {
    close();
    source = new EventSource(EVENTS);
    source.onmessage = ({ data }) => {
      backoff.succeed();
      restartTimeout();
      handlers.onMessage(JSON.parse(data));
    };
    // EventSource reconnects by itself in some cases only, and not after a 503.
    source.onerror = handleLoss;
    restartTimeout();
  };
  const restartTimeout = () => {
    clearTimeout(timer);
    timer = setTimeout(handleLoss, SILENCE_MS);
  };
  const handleLoss = () => {
    close();
    handlers.onLost();
    timer = setTimeout(open, backoff.fail());
  };

  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'hidden') close();
    else open();
  });
  window.addEventListener('online', open);
  if (document.visibilityState !== 'hidden') open();
}
