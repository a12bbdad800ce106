/** Version and git revision of this build; `npm run build` inserts both. */

declare const BUILD_VERSION: string | undefined;
declare const BUILD_REVISION: string | undefined;

export const VERSION = typeof BUILD_VERSION === 'string' ? BUILD_VERSION : 'unbuilt';
export const REVISION = typeof BUILD_REVISION === 'string' ? BUILD_REVISION : 'unbuilt';
