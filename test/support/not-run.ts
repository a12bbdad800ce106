/** A test that this machine or user cannot run says so; scripts/test.ts prints these lines. */

export function notRun(title: string, reason: string): void {
  console.log(`not run: ${title}: ${reason}`);
}

/** Whether the test runs as root; without it, says that `title` is not run. */
export function needsRoot(title: string): boolean {
  const isRoot = process.geteuid?.() === 0;
  if (!isRoot) notRun(title, 'needs root');
  return isRoot;
}
