/** The files that the page loads; `npm run build` writes them in. */

import { createHash } from 'node:crypto';

declare const BUILD_PAGE_ASSETS: PageAssets | undefined;

export interface PageAssets {
  readonly script: string;
  readonly style: string;
  readonly icon: string;
}

export interface Asset {
  readonly contentType: string;
  readonly body: string;
  /** Of the body, so that a browser asks again and is told that nothing has changed; weak, for it may be gzipped. */
  readonly etag: string;
}

const UNBUILT: PageAssets = { script: '', style: '', icon: '' };
const BUILT = typeof BUILD_PAGE_ASSETS === 'object' ? BUILD_PAGE_ASSETS : UNBUILT;

export const ASSETS: ReadonlyMap<string, Asset> = new Map([
  ['/-/page.js', asset('text/javascript; charset=utf-8', BUILT.script)],
  ['/-/page.css', asset('text/css; charset=utf-8', BUILT.style)],
  ['/-/page.svg', asset('image/svg+xml', BUILT.icon)],
]);

/** Which script belongs to this server. */
export const BUILD = digest(BUILT.script);

function asset(contentType: string, body: string): Asset {
  return { contentType, body, etag: `W/"${digest(body)}"` };
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 16);
}
