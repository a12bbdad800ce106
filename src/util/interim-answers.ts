/** Limits the answers of status 1xx that a server sends before the real one: without end they would delay events. */

import type { ClientRequest } from 'node:http';

const MAX_INTERIM_ANSWERS = 10;

/** Ends the request with an error once there are too many. */
export function limitInterimAnswers(request: ClientRequest): void {
  let count = 0;
  request.on('information', () => {
    count += 1;
    if (count > MAX_INTERIM_ANSWERS) request.destroy(new Error('too many HTTP status 1xx'));
  });
}
