/** The paths of the web server, except `/` and that of the metrics. */

export const HEALTHY_PATH = '/-/healthy';
export const READY_PATH = '/-/ready';
export const PROGRAMS_PATH = '/-/programs';
export const EVENTS_PATH = '/-/events';
export const SCRIPT_PATH = '/-/page.js';
export const STYLE_PATH = '/-/page.css';
export const ICON_PATH = '/-/page.svg';

const RESERVED: readonly string[] = [
  HEALTHY_PATH,
  READY_PATH,
  PROGRAMS_PATH,
  EVENTS_PATH,
  SCRIPT_PATH,
  STYLE_PATH,
  ICON_PATH,
];

/** What neither browsers nor Go (net/url, so Prometheus) percent-encode in a path. */
const UNESCAPED = /^\/[\w.~$&+,;=:@/-]*$/;

/** Whether the metrics can be served at this path: every client must request it in the same spelling. */
export function isFreePath(path: string): boolean {
  const hasDotSegment = path.split('/').some((segment) => segment === '.' || segment === '..');
  return UNESCAPED.test(path) && !hasDotSegment && !RESERVED.includes(path);
}
