/**
 * Calls of XML-RPC about processes that have ended. Each also has supervisord send a marker as an
 * event. When that is received, so are all events from before the call: then it is known which
 * exit the reply is about.
 */

import { MARKER_TYPE } from '../resync/fetch.ts';
import type { RpcClient } from '../rpc/client.ts';
import { processInfoCall, readProcessInfo } from '../rpc/snapshot.ts';
import type { ProcessId, ProcessKey } from '../supervisor/process-id.ts';
import type { ProcessInfo } from '../supervisor/snapshot.ts';
import type { Lookup } from './lookup.ts';

/** Calls whose marker is awaited; with a full event buffer it may have been discarded. */
const MAX_CALLS = 64;

export interface Question {
  /** The end of what had been read of supervisord's log before the call. */
  readonly place: number;
  readonly lookups: readonly (readonly [ProcessKey, Lookup])[];
  /** Processes whose event was not received yet. */
  readonly early: readonly (readonly [ProcessKey, ProcessId])[];
}

export interface Reply {
  readonly infos: ReadonlyMap<ProcessKey, ProcessInfo | undefined>;
  /** Those that the infos are about. */
  readonly lookups: ReadonlyMap<ProcessKey, Lookup>;
}

interface Call {
  readonly question: Question;
  readonly marker: string;
  /** Undefined before the reply. */
  infos: Reply['infos'] | undefined;
  /** Undefined before the marker. */
  lookups: Reply['lookups'] | undefined;
}

export interface MarkedCallsOptions {
  /** One that keeps its connection open. */
  readonly client: Pick<RpcClient, 'multicallSettled'>;
  /** Both the reply and the marker were received. */
  readonly onReply: (question: Question, reply: Reply) => void;
  /** No reply can be used any more. */
  readonly onAbandoned: (question: Question) => void;
}

export class MarkedCalls {
  readonly #options: MarkedCallsOptions;
  /** Distinguishes our markers from those of others and of earlier lives. */
  readonly #prefix = `exits ${Date.now()}-${Math.random()}`;
  #made = 0;
  /** By marker: calls whose reply or marker was not received yet. The oldest first. */
  readonly #open = new Map<string, Call>();

  constructor(options: MarkedCallsOptions) {
    this.#options = options;
  }

  /** Rejects if the call fails, which abandons it. */
  async make(question: Question): Promise<void> {
    const call = this.#begin(question);
    const asked = question.lookups.map(([key, { id }]) => [key, id] as const);
    const ids = [...new Map([...asked, ...question.early])];
    try {
      const calls = [sendMarker(call.marker), ...ids.map(([, id]) => processInfoCall(id))];
      const [, ...infos] = await this.#options.client.multicallSettled(calls);
      call.infos = new Map(ids.map(([key], index) => [key, readProcessInfo(infos[index])]));
      this.#complete(call);
    } catch (error) {
      this.#abandon(call);
      throw error;
    }
  }

  /**
   * A marker was received. `lookupsOf` returns the lookups that the reply of a call may be about, if the
   * marker is that of a call; `place` is the end of what had been read of the log before the call.
   */
  markerReceived(marker: string, lookupsOf: (place: number) => Reply['lookups']): void {
    const call = this.#open.get(marker);
    if (call === undefined || call.lookups !== undefined) return;
    call.lookups = lookupsOf(call.question.place);
    this.#complete(call);
  }

  /** Whether the process was asked about before its event was received, and the reply can still be used. */
  isAskedEarly(key: ProcessKey): boolean {
    const isAsked = ({ question }: Call) => question.early.some(([asked]) => asked === key);
    return [...this.#open.values()].some(isAsked);
  }

  #begin(question: Question): Call {
    this.#made += 1;
    const marker = `${this.#prefix} ${this.#made}`;
    const call = { question, marker, infos: undefined, lookups: undefined };
    this.#open.set(marker, call);
    const [oldest] = this.#open.values();
    if (this.#open.size > MAX_CALLS && oldest !== undefined) this.#abandon(oldest);
    return call;
  }

  #complete({ question, marker, infos, lookups }: Call): void {
    if (infos === undefined || lookups === undefined) return;
    this.#open.delete(marker);
    this.#options.onReply(question, { infos, lookups });
  }

  #abandon({ question, marker }: Call): void {
    this.#open.delete(marker);
    this.#options.onAbandoned(question);
  }
}

function sendMarker(marker: string) {
  return { methodName: 'supervisor.sendRemoteCommEvent', params: [MARKER_TYPE, marker] };
}
