/**
 * The listener's side of the dialogue (supervisord.org/events.html#event-listener-notification-protocol):
 *
 *     listener    READY\n
 *     supervisord header\npayload
 *     listener    RESULT 2\nOKREADY\n
 */

export const READY = 'READY\n';

/** `2` is the length of OK, after which supervisord accepts no newline. */
const RESULT_OK = 'RESULT 2\nOK';

/** One write for both: supervisord reads them in one turn and can send the next event at once. */
export const ACKNOWLEDGEMENT = RESULT_OK + READY;
