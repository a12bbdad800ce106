/** Ends: when a run of a process was over, and what is found out of why. */

/** Why a run ended. */
export interface Ending {
  /** The exit code; -1 for any signal, as supervisord has it. */
  readonly status: number;
  /** The number of the signal, 0 for none; undefined where it was a signal and is not known which. */
  readonly signal: number | undefined;
}

/**
 * The end of a run. Neither events nor, once the process has been started again, XML-RPC
 * tell why it ended: that has to be asked for.
 */
export interface RunEnd {
  /** Undefined where no event told it. */
  readonly pid: number | undefined;
  /** When we were told; whole seconds where a snapshot told it. */
  readonly at: number;
  /** It came after this and before that, in epoch seconds of supervisord's clock, which is ours. */
  readonly after: number;
  readonly before: number;
  /** Undefined as long as it is not known. */
  readonly ending: Ending | undefined;
}

/** What was found out when it was asked for. */
export interface Finding {
  readonly ending: Ending | undefined;
  /** supervisord's reason why it could not start the process; undefined where it has none. */
  readonly spawnError: string | undefined;
}

/** supervisord tells of an end in its next turn, which is up to a second later, and we may be busy. */
const LATEST_NEWS_SECONDS = 2;
/** The clock is read by both sides, and not at the same moment. */
const CLOCK_SLACK_SECONDS = 0.1;

/** The end that an event told of, which came at `at`. */
export function endToldAt(at: number, pid: number | undefined): RunEnd {
  return {
    pid,
    at,
    after: at - LATEST_NEWS_SECONDS,
    before: at + CLOCK_SLACK_SECONDS,
    ending: undefined,
  };
}

/** supervisord takes the time of an end first, and writes its log a little later: maybe in the next second. */
const LATEST_LOG_SECONDS = 0.5;

/** The end that a snapshot knows of, in whole seconds. */
export function endInSecond(stop: number): RunEnd {
  const before = stop + 1 + LATEST_LOG_SECONDS;
  return { pid: undefined, at: stop, after: stop, before, ending: undefined };
}
