/** Looks at a port: who answers there, and what an exporter says of itself. */

import http from 'node:http';
import { createServer } from 'node:net';
import type { ListenAddress } from '../web/address.ts';
import type { ExporterNumbers, PortHolder } from './facts.ts';

const TIMEOUT_MS = 3_000;
/** Metrics of 10,000 processes take about 20 MB. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** `telemetryPath` is where an exporter there would have its metrics. */
export async function probePort(
  address: ListenAddress,
  telemetryPath: string,
): Promise<PortHolder> {
  const health = await get(address, '/-/healthy');
  switch (health.kind) {
    case 'refused':
      return tryToListen(address);
    case 'broken':
      return { kind: 'guarded' };
    case 'answer':
      if (health.status === 401) return { kind: 'guarded' };
      if (health.status !== 200 || health.body !== 'healthy\n') return { kind: 'stranger' };
      return readExporter(address, telemetryPath);
    default: {
      const unhandled: never = health;
      throw new Error(`unhandled answer ${JSON.stringify(unhandled)}`);
    }
  }
}

async function readExporter(address: ListenAddress, path: string): Promise<PortHolder> {
  const metrics = await get(address, path);
  if (metrics.kind !== 'answer' || metrics.status !== 200) {
    return { kind: 'exporter', numbers: undefined };
  }
  if (!metrics.body.includes('\nsupervisord_exporter_build_info{')) return { kind: 'stranger' };
  return { kind: 'exporter', numbers: readNumbers(metrics.body, Date.now() / 1000) };
}

/** Reads what matters of an exporter's metrics, which it gave at `now` (epoch seconds). */
export function readNumbers(text: string, now: number): ExporterNumbers {
  const valuesOf = (name: string) =>
    [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'gm'))].map(([, value]) =>
      Number(value),
    );
  const [lastTick] = valuesOf('supervisord_exporter_last_tick_timestamp_seconds');
  const [eventsLost = 0] = valuesOf('supervisord_exporter_events_lost_total');
  const [rpcUp] = valuesOf('supervisord_exporter_rpc_up');
  const events = valuesOf('supervisord_exporter_events_total');
  return {
    now,
    events: events.reduce((total, count) => total + count, 0),
    eventsLost,
    lastTick,
    isRpcUp: rpcUp === 1,
  };
}

type Answer =
  | { readonly kind: 'answer'; readonly status: number; readonly body: string }
  /** Nobody is there. */
  | { readonly kind: 'refused' }
  /** Somebody is there, who does not speak HTTP, or not in time. */
  | { readonly kind: 'broken' };

function get({ host, port }: ListenAddress, path: string): Promise<Answer> {
  return new Promise((resolve) => {
    const options = { host: reachable(host), port, path, agent: false };
    const request = http.get(options, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
        if (body.length > MAX_ANSWER_BYTES) request.destroy(new Error('too much'));
      });
      response.on('end', () => {
        resolve({ kind: 'answer', status: response.statusCode ?? 0, body });
      });
      response.on('error', () => resolve({ kind: 'broken' }));
    });
    const deadline = setTimeout(() => request.destroy(new Error('too late')), TIMEOUT_MS);
    request.on('close', () => {
      clearTimeout(deadline);
      resolve({ kind: 'broken' });
    });
    request.on('error', (error: NodeJS.ErrnoException) => {
      const isNobody = ['ECONNREFUSED', 'EADDRNOTAVAIL', 'ENOTFOUND'].includes(error.code ?? '');
      resolve({ kind: isNobody ? 'refused' : 'broken' });
    });
  });
}

/** An address of this machine that leads to where everything is listened on. */
function reachable(host: string): string {
  if (host === '' || host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}

const LISTEN_REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program has it',
  EACCES: 'ports below 1024 are for root',
  EADDRNOTAVAIL: 'this machine has no such address',
  ENOTFOUND: 'no such host',
};

function tryToListen({ host, port }: ListenAddress): Promise<PortHolder> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      resolve({ kind: 'unusable', reason: LISTEN_REASONS[error.code ?? ''] ?? error.message });
    });
    server.listen(host === '' ? { port } : { host, port }, () => {
      server.close(() => resolve({ kind: 'nobody' }));
    });
  });
}
