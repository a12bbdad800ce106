/** The end of a process' own log when a run ended. */

export interface LogTail {
  readonly stream: 'stdout' | 'stderr';
  /** Without control characters. */
  readonly text: string;
  /** When the run ended, in epoch seconds: `finishedAt` of its termination. */
  readonly at: number;
}
