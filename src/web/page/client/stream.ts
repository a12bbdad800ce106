/** The stream of what happens: kept open while somebody looks, and opened again when it breaks. */

import type { Message } from '../view.ts';

const EVENTS = './-/events';

/** The server says something every 5 s. */
const SILENCE_MS = 15_000;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 15_000;

export interface StreamHandlers {
  readonly onMessage: (message: Message) => void;
  /** Nothing comes any more; a try to change that is under way. */
  readonly onLost: () => void;
}

/**
 * A hidden page lets go of its stream: browsers allow six connections to a server, however
 * many pages show it.
 */
export function follow(handlers: StreamHandlers): void {
  let source: EventSource | undefined;
  let timer: number | undefined;
  let retryMs = FIRST_RETRY_MS;

  const close = () => {
    clearTimeout(timer);
    source?.close();
    source = undefined;
  };
  const open = () => {
    close();
    source = new EventSource(EVENTS);
    source.onmessage = ({ data }) => {
      retryMs = FIRST_RETRY_MS;
      awaitNext();
      handlers.onMessage(JSON.parse(data));
    };
    // It would try again by itself in some cases and not in others, such as a 503.
    source.onerror = lose;
    awaitNext();
  };
  const awaitNext = () => {
    clearTimeout(timer);
    timer = setTimeout(lose, SILENCE_MS);
  };
  const lose = () => {
    close();
    handlers.onLost();
    timer = setTimeout(open, retryMs);
    retryMs = Math.min(2 * retryMs, LAST_RETRY_MS);
  };

  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'hidden') close();
    else open();
  });
  window.addEventListener('online', open);
  if (document.visibilityState !== 'hidden') open();
}
