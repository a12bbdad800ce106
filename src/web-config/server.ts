/** Creates servers that follow a web configuration file, and applies its changes to them. */

import http, { type IncomingMessage } from 'node:http';
import type https from 'node:https';
import type { Socket } from 'node:net';
import { resolve } from 'node:path';
import { WebConfigError } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import { transportOf } from '../web/connection.ts';
import type { Answer } from '../web/server.ts';
import { Authenticator } from './authenticator.ts';
import { BcryptWorker } from './bcrypt-worker.ts';
import { verifyClientCertificate } from './client-certificate.ts';
import { type LoadedConfig, load } from './load.ts';
import { middleware } from './middleware.ts';
import { RefusalLog } from './refusal-log.ts';
import { ConfigReloader } from './reloader.ts';
import { applySettings, createTlsServer, type TlsSettings } from './tls-server.ts';
import { TokenBucket } from './token-bucket.ts';
import type { WebConfig } from './webconfig.ts';

/** How long connections of an earlier configuration may take to finish their response. */
const GRACE_MS = 15_000;

export interface WebConfigOptions {
  readonly log: Logger;
  /** Ends the reloading and the bcrypt thread; the servers are the caller's. */
  readonly signal: AbortSignal;
}

export class WebConfigServer {
  readonly #log: Logger;
  readonly #refusals: RefusalLog;
  readonly #authenticator: Authenticator;
  readonly #servers: http.Server[] = [];
  readonly #tlsServers: https.Server[] = [];
  readonly #connections = new Set<Socket>();
  /** Connections whose client had to send a certificate that client_ca verifies. */
  readonly #certified = new WeakSet<Socket>();
  /** Requests with a right password. */
  readonly #authenticated = new WeakSet<IncomingMessage>();
  #current: LoadedConfig;
  #limiter: TokenBucket | undefined;
  /** Why the present content of the files is not in use; undefined if it is. */
  #loadError: string | undefined;

  /** Rejects with WebConfigError. */
  static async open(path: string, options: WebConfigOptions): Promise<WebConfigServer> {
    const file = resolve(path);
    const { files, outcome } = await load(file);
    if (outcome instanceof WebConfigError) throw outcome;
    return new WebConfigServer(file, files, outcome, options);
  }

  private constructor(
    file: string,
    files: readonly string[],
    loaded: LoadedConfig,
    { log, signal }: WebConfigOptions,
  ) {
    this.#log = log;
    this.#refusals = new RefusalLog(log);
    this.#current = loaded;
    this.#limiter = limiterOf(loaded.config);
    const worker = new BcryptWorker({
      signal,
      onExit: (reason) =>
        log.warn('the bcrypt thread has exited and will be restarted', { reason }),
    });
    this.#authenticator = new Authenticator((comparison) => worker.compare(comparison));
    new ConfigReloader({ file, files, signal, onOutcome: (outcome) => this.#reload(outcome) });
    log.info('web configuration', { file, ...describe(loaded.config) });
    this.#warnOfUselessLimit();
  }

  readonly createServer = (
    options: http.ServerOptions,
    listener: http.RequestListener,
  ): http.Server => {
    const settings = tlsSettings(this.#current);
    const server =
      settings === undefined
        ? http.createServer(options, listener)
        : this.#createTlsServer(options, listener, settings);
    server.on('connection', (socket: Socket) => {
      this.#connections.add(socket);
      socket.once('close', () => this.#connections.delete(socket));
    });
    this.#servers.push(server);
    return server;
  };

  /** Whether every client needs a password or a verified certificate. */
  get demandsCredentials(): boolean {
    return this.#current.config.users.size > 0 || this.#demandsCertificate;
  }

  /**
   * Whether the client of this request has given a right password or a verified certificate. The
   * configuration may be newer than the request.
   */
  isIdentified(request: IncomingMessage): boolean {
    return this.#authenticated.has(request) || this.#certified.has(transportOf(request));
  }

  get #demandsCertificate(): boolean {
    return this.#current.config.tls?.clientAuth === 'RequireAndVerifyClientCert';
  }

  middleware(handle: Answer): Answer {
    const options = {
      config: () => this.#current.config,
      limiter: () => this.#limiter,
      authenticator: this.#authenticator,
      onAuthenticated: (request: IncomingMessage) => void this.#authenticated.add(request),
    };
    return middleware(options, handle);
  }

  #createTlsServer(
    options: http.ServerOptions,
    listener: http.RequestListener,
    settings: TlsSettings,
  ): https.Server {
    const server = createTlsServer(
      {
        http: options,
        listener,
        verifyClient: (certificate) => {
          const { tls } = this.#current.config;
          return tls === undefined ? 'no TLS' : verifyClientCertificate(tls, certificate);
        },
        onAllowed: (socket) => {
          if (this.#demandsCertificate) this.#certified.add(socket);
        },
        onRefused: (client, reason) => this.#refusals.add(client, reason),
        onAborted: (client, reason) =>
          this.#log.debug?.('a client left during the TLS handshake', { client, reason }),
      },
      settings,
    );
    this.#tlsServers.push(server);
    return server;
  }

  #reload(outcome: LoadedConfig | WebConfigError): void {
    const next =
      outcome instanceof WebConfigError ? outcome : (this.#needsRestart(outcome) ?? outcome);
    if (next instanceof WebConfigError) {
      this.#reportLoadError(next.message);
      return;
    }
    this.#loadError = undefined;
    if (next.fingerprint === this.#current.fingerprint) return;
    this.#apply(next);
    this.#log.info('web configuration changed', { ...describe(next.config) });
    this.#warnOfUselessLimit();
  }

  /** Once, however often the same content is written again. */
  #reportLoadError(reason: string): void {
    if (reason === this.#loadError) return;
    this.#loadError = reason;
    this.#log.error('the new web configuration is refused, and the previous one stays in use', {
      reason,
    });
  }

  /** A full disk leaves an empty file, which must not remove the protection. */
  #needsRestart(next: LoadedConfig): WebConfigError | undefined {
    const now = this.#current.config;
    const restart = 'which requires a restart of the exporter';
    if ((next.config.tls === undefined) !== (now.tls === undefined)) {
      return new WebConfigError(`it turns TLS ${now.tls === undefined ? 'on' : 'off'}, ${restart}`);
    }
    if (next.config.users.size === 0 && now.users.size > 0) {
      return new WebConfigError(`it removes all basic_auth_users, ${restart}`);
    }
    return undefined;
  }

  #apply(next: LoadedConfig): void {
    this.#current = next;
    if (!isSameLimit(this.#limiter, next.config)) this.#limiter = limiterOf(next.config);
    const settings = tlsSettings(next);
    if (settings !== undefined) {
      for (const server of this.#tlsServers) applySettings(server, settings);
    }
    this.#retireConnections();
  }

  /** Clients that were allowed by the previous configuration have to connect again. */
  #retireConnections(): void {
    for (const server of this.#servers) server.closeIdleConnections();
    const earlier = [...this.#connections];
    setTimeout(() => {
      for (const socket of earlier) socket.destroy();
    }, GRACE_MS).unref();
  }

  /** The toolkit accepts such a file and then answers 429 to every request. */
  #warnOfUselessLimit(): void {
    const { rateLimit } = this.#current.config;
    if (rateLimit === undefined || rateLimit.burst >= 1) return;
    this.#log.warn('rate_limit has an interval but no burst, so every request is answered 429');
  }
}

function tlsSettings({ context, config }: LoadedConfig): TlsSettings | undefined {
  if (context === undefined) return undefined;
  return { context, requestsCertificate: config.tls?.clientAuth !== 'NoClientCert' };
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
