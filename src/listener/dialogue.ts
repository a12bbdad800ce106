/**
 * The listener's side of the dialogue (supervisord.org/events.html#event-listener-notification-protocol):
 *
 *     us          READY\n
 *     supervisord header\npayload
 *     us          RESULT 2\nOKREADY\n
 */

export const READY = 'READY\n';

/** `2` is the length of OK, behind which no newline may come: supervisord would take it for garbage. */
const RESULT_OK = 'RESULT 2\nOK';

/** One write for both: supervisord reads them in one turn, and sends the next event at once. */
export const ACKNOWLEDGEMENT = RESULT_OK + READY;
