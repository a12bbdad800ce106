/** The input of the checks. Types only. */

import type { Labels } from '../alertmanager/payload.ts';
import type { Reading } from '../configuration/configuration.ts';
import type { SupervisorEndpoint } from '../rpc/endpoint.ts';
import type { Snapshot } from '../supervisor/snapshot.ts';
import type { ListenAddress } from '../util/address.ts';
import type { RpcErrorCode } from '../util/errors.ts';
import type { Listener } from './listener.ts';
import type { Places } from './places.ts';

export interface Facts {
  /** Such as v20.1.0. */
  readonly nodeVersion: string;
  /** Running supervisords, where several run and none was chosen: `PID (FILE)`; else empty. */
  readonly candidates: readonly string[];
  readonly reading: Reading;
  /** Whether it was read under the environment of the running supervisord. */
  readonly isEnvironmentKnown: boolean;
  readonly places: Places;
  /** The `supervisorctl` command with the arguments that make it find this supervisord. */
  readonly supervisorctl: string;
  /** Of the disk that holds supervisord's log; undefined where that is not known. */
  readonly freeLogBytes: number | undefined;
  /** The XML-RPC endpoint that is queried; undefined where flag, environment and configuration have none. */
  readonly endpoint: SupervisorEndpoint | undefined;
  /** The endpoints of the configuration, where the queried one is not among them; else empty. */
  readonly others: readonly SupervisorEndpoint[];
  /** Present for a unix:// endpoint. */
  readonly socket: SocketFacts | undefined;
  readonly rpc: RpcFacts;
  readonly exporters: readonly ExporterFacts[];
  /** The section of a program that runs the exporter. */
  readonly runAsProgram: string | undefined;
}

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

/** `stream`: a pipe or a terminal. `unusable`: a folder or a socket. */
export type FileKind = 'plain' | 'stream' | 'unusable' | 'absent';

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

/** One section that runs the exporter. */
export interface ExporterFacts {
  readonly listener: Listener;
  /** `user=` of the section; undefined where it is not set. */
  readonly user: User | undefined;
  /** Why its command cannot run, one text for each missing file. */
  readonly missing: readonly string[];
  /** What its stdout_logfile is, where that is a path. */
  readonly stdoutLog: FileKind | undefined;
  /** Whether XML-RPC accepts the credentials of the section; undefined where there is no endpoint. */
  readonly access: 'granted' | RpcFailure | undefined;
  /** Its processes as supervisord reports them; undefined where it did not answer. */
  readonly processes: readonly ProcessFacts[] | undefined;
  /** Undefined where its flags are not known. */
  readonly ports: readonly PortFacts[] | undefined;
  readonly alertmanagers: readonly AlertmanagerFacts[];
  /** The labels of each pushed alert; undefined where they are not known. */
  readonly alertLabels: Labels | undefined;
  /** When the section's file last changed, in epoch seconds; undefined where unknown. */
  readonly changedAt: number | undefined;
}

export interface AlertmanagerFacts {
  /** Without credentials. */
  readonly url: string;
  readonly answer:
    | { readonly kind: 'answered'; readonly alerts: readonly HeldAlert[] }
    | { readonly kind: 'failed'; readonly reason: string };
}

/** An active alert that Alertmanager holds. */
export interface HeldAlert {
  readonly labels: Labels;
  readonly isFromRule: boolean;
  /** Epoch seconds. */
  readonly startedAt: number;
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
  /** The configuration that supervisord has read last; undefined where it does not report it. */
  readonly loaded: LoadedFacts | undefined;
  /** What differs between the running process and its section, such as `flags`; undefined where unknown. */
  readonly differences: readonly string[] | undefined;
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
  /** Requires a password or a certificate, as an exporter with --web.config.file may, or does not speak HTTP. */
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
  readonly isSynced: boolean | undefined;
  readonly failedCollectors: readonly string[];
  /** Those that did not take an alert, with how often. */
  readonly failedAlerts: readonly { readonly alertmanager: string; readonly count: number }[];
}
