/** The outcome of a collector's last run; undefined before the first. */
export interface CollectorStats {
  readonly success: boolean | undefined;
  readonly durationSeconds: number | undefined;
}
