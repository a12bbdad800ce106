/** Probes a port: what answers there, and the numbers of an exporter. */

import http from 'node:http';
import { createServer } from 'node:net';
import { describeSystemError, errorCode } from '../util/errno.ts';
import type { ListenAddress } from '../web/address.ts';
import type { ExporterNumbers, PortOwner } from './facts.ts';

const TIMEOUT_MS = 3_000;
/** Metrics of 10,000 processes take about 20 MB. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** `telemetryPath`: the path of the metrics if an exporter answers. */
export async function probePort(address: ListenAddress, telemetryPath: string): Promise<PortOwner> {
  const health = await get(address, '/-/healthy');
  switch (health.kind) {
    case 'refused':
      return tryToListen(address);
    case 'broken':
      return { kind: 'protected' };
    case 'answer':
      if (health.status === 401) return { kind: 'protected' };
      if (health.status !== 200 || health.body !== 'healthy\n') return { kind: 'other' };
      return readExporter(address, telemetryPath);
    default: {
      const unhandled: never = health;
      throw new Error(`unhandled answer ${JSON.stringify(unhandled)}`);
    }
  }
}

async function readExporter(address: ListenAddress, path: string): Promise<PortOwner> {
  const metrics = await get(address, path);
  if (metrics.kind !== 'answer' || metrics.status !== 200) {
    return { kind: 'exporter', numbers: undefined };
  }
  if (!metrics.body.includes('\nsupervisord_exporter_build_info{')) return { kind: 'other' };
  return { kind: 'exporter', numbers: readNumbers(metrics.body, Date.now() / 1000) };
}

/** Parses an exporter's metrics, as received at `now` (epoch seconds). */
export function readNumbers(text: string, now: number): ExporterNumbers {
  const valuesOf = (name: string) =>
    [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'gm'))].map(([, value]) =>
      Number(value),
    );
  const [lastTick] = valuesOf('supervisord_exporter_last_tick_timestamp_seconds');
  const [eventsLost = 0] = valuesOf('supervisord_exporter_events_lost_total');
  const [rpcUp] = valuesOf('supervisord_exporter_rpc_up');
  const sumOf = (name: string) => valuesOf(name).reduce((sum, count) => sum + count, 0);
  return {
    now,
    events: sumOf('supervisord_exporter_events_total'),
    eventsLost,
    eventsMalformed: sumOf('supervisord_exporter_events_malformed_total'),
    lastTick,
    isRpcUp: rpcUp === 1,
  };
}

type Answer =
  | { readonly kind: 'answer'; readonly status: number; readonly body: string }
  /** Nothing listens. */
  | { readonly kind: 'refused' }
  /** Something listens that does not speak HTTP, or not in time. */
  | { readonly kind: 'broken' };

function get({ host, port }: ListenAddress, path: string): Promise<Answer> {
  return new Promise((resolve) => {
    const options = { host: reachable(host), port, path, agent: false };
    const request = http.get(options, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
        if (body.length > MAX_ANSWER_BYTES) request.destroy(new Error('answer too large'));
      });
      response.on('end', () => {
        resolve({ kind: 'answer', status: response.statusCode ?? 0, body });
      });
      response.on('error', () => resolve({ kind: 'broken' }));
    });
    const deadline = setTimeout(() => request.destroy(new Error('timeout')), TIMEOUT_MS);
    request.on('close', () => {
      clearTimeout(deadline);
      resolve({ kind: 'broken' });
    });
    request.on('error', (error) => {
      const code = errorCode(error) ?? '';
      const isRefused = ['ECONNREFUSED', 'EADDRNOTAVAIL', 'ENOTFOUND'].includes(code);
      resolve({ kind: isRefused ? 'refused' : 'broken' });
    });
  });
}

/** A loopback address in place of one that stands for all interfaces. */
function reachable(host: string): string {
  if (host === '' || host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}

const LISTEN_REASONS = { EACCES: 'ports below 1024 require root' };

function tryToListen({ host, port }: ListenAddress): Promise<PortOwner> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => {
      resolve({ kind: 'unusable', reason: describeSystemError(error, LISTEN_REASONS) });
    });
    server.listen(host === '' ? { port } : { host, port }, () => {
      server.close(() => resolve({ kind: 'free' }));
    });
  });
}
