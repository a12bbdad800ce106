/** What each path answers. No request waits on supervisord. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { CachedText } from '../exposition/cached-text.ts';
import type { Page } from './page/page.ts';
import { sendKept, sendText } from './respond.ts';

export interface Routes {
  readonly telemetryPath: string;
  readonly contentType: string;
  readonly render: () => Promise<readonly CachedText[]>;
  /** Why the exporter is not ready; undefined once it is. */
  readonly notReady: () => string | undefined;
  /** Undefined where the metrics take its place. */
  readonly page: Page | undefined;
}

export async function answer(
  options: Routes,
  request: IncomingMessage,
  response: ServerResponse,
  outlive: () => void,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    return sendText(request, response, 405, 'method not allowed\n');
  }
  const [path = '/'] = (request.url ?? '/').split('?');
  switch (path) {
    case options.telemetryPath:
      return sendKept(request, response, options.contentType, await options.render());
    case '/-/healthy':
      return sendText(request, response, 200, 'healthy\n');
    case '/-/ready': {
      const reason = options.notReady();
      if (reason === undefined) return sendText(request, response, 200, 'ready\n');
      return sendText(request, response, 503, `not ready: ${reason}\n`);
    }
    default:
      return (
        options.page?.answer(path, request, response, outlive) ??
        sendText(request, response, 404, 'not found\n')
      );
  }
}
