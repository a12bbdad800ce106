/** The files that the page loads. `npm run build` embeds them. */

import { CachedText } from '../../exposition/cached-text.ts';
import { ICON_PATH, SCRIPT_PATH, STYLE_PATH } from '../paths.ts';

/** As JSON. */
declare const BUILD_PAGE_ASSETS: string | undefined;

interface PageAsset {
  readonly body: string;
  readonly digest: string;
}

interface PageAssets {
  readonly script: PageAsset;
  readonly style: PageAsset;
  readonly icon: PageAsset;
}

export interface Asset {
  readonly contentType: string;
  readonly text: CachedText;
  /** Lets a browser revalidate its copy. Weak, because the body may be sent gzipped. */
  readonly etag: string;
}

const NONE: PageAsset = { body: '', digest: '' };
const UNBUILT: PageAssets = { script: NONE, style: NONE, icon: NONE };
const BUILT: PageAssets =
  typeof BUILD_PAGE_ASSETS === 'string' ? JSON.parse(BUILD_PAGE_ASSETS) : UNBUILT;

export const ASSETS: ReadonlyMap<string, Asset> = new Map([
  [SCRIPT_PATH, asset('text/javascript; charset=utf-8', BUILT.script)],
  [STYLE_PATH, asset('text/css; charset=utf-8', BUILT.style)],
  [ICON_PATH, asset('image/svg+xml', BUILT.icon)],
]);

/** Identifies the script of this build of the exporter. */
export const BUILD = BUILT.script.digest;

function asset(contentType: string, { body, digest }: PageAsset): Asset {
  return { contentType, text: new CachedText(body), etag: `W/"${digest}"` };
}
