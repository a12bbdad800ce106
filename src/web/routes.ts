/** What each path answers. No request waits on supervisord. */

import type { CachedText } from '../exposition/cached-text.ts';
import { SharedWork } from '../util/shared-work.ts';
import { AnswerQueue } from './answer-queue.ts';
import type { Page } from './page/page.ts';
import { HEALTHY_PATH, PROGRAMS_PATH, READY_PATH } from './paths.ts';
import type { ProgramsAnswer } from './programs.ts';
import { sendKept, sendText } from './respond.ts';
import type { Answer } from './server.ts';

export interface Routes {
  readonly telemetryPath: string;
  readonly contentType: string;
  readonly render: () => Promise<readonly CachedText[]>;
  /** Why the exporter is not ready; undefined once it is. */
  readonly notReady: () => string | undefined;
  readonly programs: ProgramsAnswer;
  /** Undefined where the metrics take its place. */
  readonly page: Page | undefined;
}

const METHODS = 'GET, HEAD, OPTIONS';

export function createAnswer(routes: Routes): Answer {
  const scrapes = new AnswerQueue();
  const rendering = new SharedWork(routes.render);
  return async (request, response) => {
    if (request.method === 'OPTIONS') {
      response.setHeader('Allow', METHODS);
      return sendText(request, response, 200, '');
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('Allow', METHODS);
      return sendText(request, response, 405, 'method not allowed\n');
    }
    const [path = '/'] = (request.url ?? '/').split('?');
    switch (path) {
      case routes.telemetryPath:
        return rendering
          .next()
          .then((texts) =>
            scrapes.run(request, response, () =>
              sendKept(request, response, routes.contentType, texts),
            ),
          );
      case HEALTHY_PATH:
        return sendText(request, response, 200, 'healthy\n');
      case READY_PATH: {
        const reason = routes.notReady();
        if (reason === undefined) return sendText(request, response, 200, 'ready\n');
        return sendText(request, response, 503, `not ready: ${reason}\n`);
      }
      case PROGRAMS_PATH:
        return routes.programs(request, response);
      default:
        return (
          routes.page?.answer(path, request, response) ??
          sendText(request, response, 404, 'not found\n')
        );
    }
  };
}
