/** Serves by a web configuration: TLS, and a guard in front of every answer; follows its changes. */

import http from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { resolve } from 'node:path';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import type { Logger } from '../util/log.ts';
import type { Answer, CreateServer } from '../web/server.ts';
import { whyRefused } from './clients.ts';
import { Comparer } from './comparer.ts';
import { WebConfigError } from './error.ts';
import { guard } from './guard.ts';
import { TokenBucket } from './limit.ts';
import { type Loaded, load } from './load.ts';
import { Passwords } from './passwords.ts';
import { Watch } from './watch.ts';
import type { TlsConfig, WebConfig } from './webconfig.ts';

/** Node's default is two minutes; whoever is slower than this with a handshake is cut off. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** How long connections of an earlier configuration may go on with what they are at. */
const GRACE_MS = 15_000;

export class Security {
  readonly #log: Logger;
  readonly #watch: Watch;
  readonly #comparer: Comparer;
  readonly #passwords: Passwords;
  readonly #servers: http.Server[] = [];
  readonly #secureServers: https.Server[] = [];
  readonly #connections = new Set<Socket>();
  #current: Loaded;
  #limiter: TokenBucket | undefined;
  /** Why the files as they are now are not followed; undefined: they are. */
  #refusal: string | undefined;

  /** Rejects with WebConfigError. */
  static async open(path: string, log: Logger): Promise<Security> {
    const file = resolve(path);
    const { files, outcome } = await load(file);
    if (outcome instanceof WebConfigError) throw outcome;
    return new Security(file, files, outcome, log);
  }

  private constructor(file: string, files: readonly string[], loaded: Loaded, log: Logger) {
    this.#log = log;
    this.#current = loaded;
    this.#limiter = limiterOf(loaded.config);
    this.#comparer = new Comparer((reason) =>
      log.warn('the password thread has died and will be started again', { reason }),
    );
    this.#passwords = new Passwords((question) => this.#comparer.compare(question));
    this.#watch = new Watch(file, files, (outcome) => this.#take(outcome));
    this.#watch.start();
    log.info('web configuration', { file, ...describe(loaded.config) });
  }

  readonly createServer: CreateServer = (options, listener) => {
    const { context, config } = this.#current;
    const server =
      context === undefined
        ? http.createServer(options, listener)
        : this.#createSecureServer({ ...options, ...context }, config.tls, listener);
    server.on('connection', (socket: Socket) => {
      this.#connections.add(socket);
      socket.once('close', () => this.#connections.delete(socket));
    });
    this.#servers.push(server);
    return server;
  };

  guard(answer: Answer): Answer {
    const options = {
      config: () => this.#current.config,
      limiter: () => this.#limiter,
      passwords: this.#passwords,
    };
    return guard(options, answer);
  }

  stop(): void {
    this.#watch.stop();
    this.#comparer.stop();
  }

  #createSecureServer(
    options: https.ServerOptions,
    tls: TlsConfig | undefined,
    listener: http.RequestListener,
  ): https.Server {
    const server = https.createServer(
      {
        ...options,
        handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
        requestCert: asksForCertificate(tls),
        // Which ones are let in is decided by #admit, which knows all the policies.
        rejectUnauthorized: false,
      },
      listener,
    );
    // Before HTTP hears of the connection.
    server.prependListener('secureConnection', (socket) => this.#admit(socket));
    server.on('tlsClientError', (error, socket) => {
      const client = socket.remoteAddress ?? '';
      this.#log.debug?.('a TLS handshake failed', { client, reason: error.message });
    });
    this.#secureServers.push(server);
    return server;
  }

  #admit(socket: TLSSocket): void {
    const { tls } = this.#current.config;
    const certificate = socket.getPeerX509Certificate();
    const reason =
      tls === undefined
        ? 'no TLS'
        : whyRefused(
            tls,
            certificate && {
              isVerified: socket.authorized,
              subjectAltName: certificate.subjectAltName,
            },
          );
    if (reason === undefined) return;
    const client = socket.remoteAddress ?? '';
    this.#log.debug?.('a client is not let in', { client, reason });
    socket.destroy();
  }

  #take(outcome: Loaded | WebConfigError): void {
    const next = outcome instanceof WebConfigError ? outcome : (this.#whyNot(outcome) ?? outcome);
    if (next instanceof WebConfigError) {
      this.#refuse(next.message);
      return;
    }
    this.#refusal = undefined;
    if (next.fingerprint === this.#current.fingerprint) return;
    this.#apply(next);
    this.#log.info('web configuration changed', { ...describe(next.config) });
  }

  /** Says so once, however often the same is written again. */
  #refuse(reason: string): void {
    if (reason === this.#refusal) return;
    this.#refusal = reason;
    this.#log.error('the web configuration stays as it was: the new one is refused', { reason });
  }

  /** An empty file is what a full disk leaves: it is not to open the door. */
  #whyNot(next: Loaded): WebConfigError | undefined {
    const now = this.#current.config;
    const restart = 'which takes a restart of the exporter';
    if ((next.config.tls === undefined) !== (now.tls === undefined)) {
      return new WebConfigError(`it turns TLS ${now.tls === undefined ? 'on' : 'off'}, ${restart}`);
    }
    if (next.config.users.size === 0 && now.users.size > 0) {
      return new WebConfigError(`it has no basic_auth_users any more, ${restart}`);
    }
    return undefined;
  }

  #apply(next: Loaded): void {
    const { context, config } = next;
    this.#current = next;
    if (!isSameLimit(this.#limiter, config)) this.#limiter = limiterOf(config);
    if (context !== undefined) {
      for (const server of this.#secureServers) setContext(server, context, config.tls);
    }
    this.#retireConnections();
  }

  /** Who was let in by the configuration before has to come anew. */
  #retireConnections(): void {
    for (const server of this.#servers) server.closeIdleConnections();
    const earlier = [...this.#connections];
    setTimeout(() => {
      for (const socket of earlier) socket.destroy();
    }, GRACE_MS).unref();
  }
}

/** For the connections to come. */
function setContext(
  server: https.Server,
  context: SecureContextOptions,
  tls: TlsConfig | undefined,
): void {
  server.setSecureContext(context);
  // Not part of the context: Node reads it from the server for each connection (tls.js), and has no setter.
  Object.assign(server, { requestCert: asksForCertificate(tls) });
}

function asksForCertificate(tls: TlsConfig | undefined): boolean {
  return tls !== undefined && tls.clientAuth !== 'NoClientCert';
}

function limiterOf({ rateLimit }: WebConfig): TokenBucket | undefined {
  return rateLimit && new TokenBucket(rateLimit, performance.now());
}

function isSameLimit(limiter: TokenBucket | undefined, { rateLimit }: WebConfig): boolean {
  const before = limiter?.limit;
  return before?.burst === rateLimit?.burst && before?.intervalMs === rateLimit?.intervalMs;
}

function describe({ tls, users, rateLimit }: WebConfig) {
  return {
    tls: tls !== undefined,
    client_auth: tls?.clientAuth ?? 'NoClientCert',
    users: users.size,
    rate_limit: rateLimit !== undefined,
  };
}
