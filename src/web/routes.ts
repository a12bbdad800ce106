/** What each path answers. No request waits on supervisord. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants, gzip } from 'node:zlib';
import { landingPage } from './landing.ts';
import { acceptsGzip, send, sendText } from './respond.ts';

export interface Routes {
  readonly telemetryPath: string;
  readonly contentType: string;
  readonly render: () => Promise<string>;
  /** Why the exporter is not ready; undefined once it is. */
  readonly notReady: () => string | undefined;
}

export async function answer(
  options: Routes,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    return sendText(request, response, 405, 'method not allowed\n');
  }
  const [path] = (request.url ?? '/').split('?');
  switch (path) {
    case options.telemetryPath:
      return sendMetrics(options, request, response);
    case '/-/healthy':
      return sendText(request, response, 200, 'healthy\n');
    case '/-/ready': {
      const reason = options.notReady();
      if (reason === undefined) return sendText(request, response, 200, 'ready\n');
      return sendText(request, response, 503, `not ready: ${reason}\n`);
    }
    case '/':
      return send(
        request,
        response,
        200,
        'text/html; charset=utf-8',
        landingPage(options.telemetryPath),
      );
    default:
      return sendText(request, response, 404, 'not found\n');
  }
}

async function sendMetrics(
  options: Routes,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const text = await options.render();
  response.setHeader('Vary', 'Accept-Encoding');
  if (!acceptsGzip(request.headers['accept-encoding'])) {
    return send(request, response, 200, options.contentType, text);
  }
  // Level 1 makes it nineteen times smaller; level 6 takes five times as long for little more.
  gzip(text, { level: constants.Z_BEST_SPEED }, (error, compressed) => {
    if (error) return send(request, response, 200, options.contentType, text);
    response.setHeader('Content-Encoding', 'gzip');
    send(request, response, 200, options.contentType, compressed);
  });
}
