/** What was found out, for the checks to judge. Types only. */

import type { SupervisorEndpoint } from '../rpc/endpoint.ts';
import type { Snapshot } from '../supervisor/snapshot.ts';
import type { RpcErrorCode } from '../util/errors.ts';
import type { ListenAddress } from '../web/address.ts';
import type { Configuration } from './configuration.ts';
import type { Section } from './ini.ts';
import type { Listener } from './listener.ts';

export interface Facts {
  /** As Node says it of itself: v20.1.0. */
  readonly nodeVersion: string;
  readonly configuration: ConfigurationFacts;
  /** Where XML-RPC is asked for; undefined where neither flag, environment nor configuration tell. */
  readonly endpoint: SupervisorEndpoint | undefined;
  /** The endpoints that the configuration tells of, where the one that is asked is none of them. */
  readonly others: readonly SupervisorEndpoint[];
  /** Of a unix:// endpoint. */
  readonly socket: SocketFacts | undefined;
  readonly rpc: RpcFacts;
  readonly exporters: readonly ExporterFacts[];
  readonly misplaced: Section | undefined;
}

export type ConfigurationFacts =
  | { readonly kind: 'none'; readonly looked: readonly string[] }
  | { readonly kind: 'read'; readonly configuration: Configuration };

/** A file or a folder that may stand in the way. */
export interface Node {
  readonly path: string;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export type SocketFacts =
  | { readonly kind: 'absent' }
  /** The folders are those on the way, the root first. */
  | { readonly kind: 'present'; readonly socket: Node; readonly folders: readonly Node[] }
  | { readonly kind: 'hidden'; readonly reason: string };

export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gids: readonly number[];
}

export type RpcFacts =
  | { readonly kind: 'not-asked' }
  | RpcFailure
  | { readonly kind: 'answered'; readonly snapshot: Snapshot };

export interface RpcFailure {
  readonly kind: 'failed';
  /** `forbidden`: the socket is there, and not for this user. */
  readonly why: RpcErrorCode | 'forbidden';
  readonly message: string;
}

/** Of one section that runs the exporter. */
export interface ExporterFacts {
  readonly listener: Listener;
  /** What `user=` says; a string where there is no such user; undefined where nothing is set. */
  readonly user: User | string | undefined;
  /** Why its command can't be run, for each of its words that is a path and can't. */
  readonly missing: readonly string[];
  /** Whether XML-RPC takes the credentials that the section gives it; undefined where nobody could be asked. */
  readonly access: 'granted' | RpcFailure | undefined;
  /** Its processes as supervisord has them; undefined where it could not be asked. */
  readonly processes: readonly ProcessFacts[] | undefined;
  readonly ports: readonly PortFacts[];
  /** When the file of its section was last written, in epoch seconds; undefined where that is not known. */
  readonly writtenAt: number | undefined;
}

/** What supervisord says of one process of a listener. */
export interface ProcessFacts {
  readonly name: string;
  readonly state: string;
  readonly spawnError: string;
  /** Epoch seconds, 0 for never. */
  readonly start: number;
  readonly now: number;
  /** The end of its stderr, oldest line first. */
  readonly lastLines: readonly string[];
  /** The configuration that supervisord goes by; undefined where it does not tell. */
  readonly loaded: LoadedFacts | undefined;
}

export interface LoadedFacts {
  readonly command: string;
  readonly priority: number;
  readonly startsecs: number;
}

export interface PortFacts {
  readonly address: ListenAddress;
  readonly holder: PortHolder;
}

export type PortHolder =
  /** An exporter of this kind answers; without numbers where it does not show its metrics to everybody. */
  | { readonly kind: 'exporter'; readonly numbers: ExporterNumbers | undefined }
  /** Something that answers no plain HTTP, or wants a password for it, as an exporter with --web.config.file may. */
  | { readonly kind: 'guarded' }
  | { readonly kind: 'stranger' }
  | { readonly kind: 'nobody' }
  | { readonly kind: 'unusable'; readonly reason: string };

/** Out of its /metrics. Timestamps in epoch seconds; undefined for what it does not have. */
export interface ExporterNumbers {
  readonly now: number;
  readonly events: number;
  readonly eventsLost: number;
  readonly lastTick: number | undefined;
  readonly isRpcUp: boolean;
}
