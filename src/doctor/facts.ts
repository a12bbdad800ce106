/** The input of the checks. Types only. */

import type { SupervisorEndpoint } from '../rpc/endpoint.ts';
import type { Snapshot } from '../supervisor/snapshot.ts';
import type { RpcErrorCode } from '../util/errors.ts';
import type { ListenAddress } from '../web/address.ts';
import type { Configuration } from './configuration.ts';
import type { Section } from './ini.ts';
import type { Listener } from './listener.ts';

export interface Facts {
  /** Such as v20.1.0. */
  readonly nodeVersion: string;
  readonly configuration: ConfigurationFacts;
  /** The XML-RPC endpoint that is queried; undefined where flag, environment and configuration have none. */
  readonly endpoint: SupervisorEndpoint | undefined;
  /** The endpoints of the configuration, where the queried one is not among them; else empty. */
  readonly others: readonly SupervisorEndpoint[];
  /** Present for a unix:// endpoint. */
  readonly socket: SocketFacts | undefined;
  readonly rpc: RpcFacts;
  readonly exporters: readonly ExporterFacts[];
  /** A [program:…] section that runs the exporter. */
  readonly runAsProgram: Section | undefined;
}

export type ConfigurationFacts =
  | { readonly kind: 'none'; readonly looked: readonly string[] }
  | { readonly kind: 'read'; readonly configuration: Configuration };

/** A file or folder whose permissions matter. */
export interface Node {
  readonly path: string;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export type SocketFacts =
  | { readonly kind: 'absent' }
  /** `folders`: those of its path, the root first. */
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
  /** `forbidden`: the socket exists, but its permissions exclude this user. */
  readonly why: RpcErrorCode | 'forbidden';
  readonly message: string;
}

/** `user=` of a section. `default`: not set. */
export type UserFacts =
  | { readonly kind: 'default' }
  | { readonly kind: 'known'; readonly user: User }
  | { readonly kind: 'unknown'; readonly name: string };

/** One section that runs the exporter. */
export interface ExporterFacts {
  readonly listener: Listener;
  readonly user: UserFacts;
  /** Why its command cannot run, one text for each missing file. */
  readonly missing: readonly string[];
  /** Whether XML-RPC accepts the credentials of the section; undefined where there is no endpoint. */
  readonly access: 'granted' | RpcFailure | undefined;
  /** Its processes as supervisord reports them; undefined where it did not answer. */
  readonly processes: readonly ProcessFacts[] | undefined;
  readonly ports: readonly PortFacts[];
  /** Modification time of the section's file in epoch seconds; undefined where unknown. */
  readonly writtenAt: number | undefined;
}

/** One process of a listener as supervisord reports it. */
export interface ProcessFacts {
  readonly name: string;
  readonly state: string;
  readonly spawnError: string;
  /** Epoch seconds, 0 for never. */
  readonly start: number;
  readonly now: number;
  /** The last lines of its stderr, oldest first. */
  readonly lastLines: readonly string[];
  /** The configuration that supervisord has loaded; undefined where it does not report it. */
  readonly loaded: LoadedFacts | undefined;
}

export interface LoadedFacts {
  readonly command: string;
  readonly priority: number;
  readonly startsecs: number;
}

export interface PortFacts {
  readonly address: ListenAddress;
  readonly owner: PortOwner;
}

export type PortOwner =
  /** A supervisor-exporter answers; `numbers` is undefined where its metrics cannot be read. */
  | { readonly kind: 'exporter'; readonly numbers: ExporterNumbers | undefined }
  /** Requires TLS or a password, as an exporter with --web.config.file may, or does not speak HTTP. */
  | { readonly kind: 'protected' }
  | { readonly kind: 'other' }
  | { readonly kind: 'free' }
  | { readonly kind: 'unusable'; readonly reason: string };

/** From its /metrics. Timestamps in epoch seconds; undefined where it has no such sample. */
export interface ExporterNumbers {
  readonly now: number;
  readonly events: number;
  readonly eventsLost: number;
  readonly eventsMalformed: number;
  readonly lastTick: number | undefined;
  readonly isRpcUp: boolean;
}
