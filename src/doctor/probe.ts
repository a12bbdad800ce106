/** Probes a port: what answers there, and the numbers of an exporter. */

import http from 'node:http';
import https from 'node:https';
import { createServer } from 'node:net';
import type { ListenAddress } from '../util/address.ts';
import { describeSystemError, errorCode } from '../util/errno.ts';
import type { ExporterNumbers, PortOwner } from './facts.ts';

const TIMEOUT_MS = 3_000;
/** Metrics of 10,000 processes take about 20 MB. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** `telemetryPath`: the path of the metrics if an exporter answers. */
export async function probePort(address: ListenAddress, telemetryPath: string): Promise<PortOwner> {
  const place = { ...address, host: reachable(address.host), secure: false };
  const plain = await get({ ...place, path: '/-/healthy' });
  if (plain.kind === 'refused') return tryToListen(address);
  const secure = plain.kind === 'broken';
  const health = secure ? await get({ ...place, secure, path: '/-/healthy' }) : plain;
  if (health.kind !== 'answer' || health.status === 401) return { kind: 'protected' };
  if (health.status !== 200 || health.body !== 'healthy\n') return { kind: 'other' };
  return readExporter({ ...place, secure, path: telemetryPath });
}

async function readExporter(target: Target): Promise<PortOwner> {
  const metrics = await get(target);
  if (metrics.kind !== 'answer' || metrics.status !== 200) {
    return { kind: 'exporter', numbers: undefined };
  }
  if (!metrics.body.includes('\nsupervisord_exporter_build_info{')) return { kind: 'other' };
  return { kind: 'exporter', numbers: readNumbers(metrics.body, Date.now() / 1000) };
}

/** Parses an exporter's metrics, as received at `now` (epoch seconds). */
export function readNumbers(text: string, now: number): ExporterNumbers {
  const samplesOf = (name: string) =>
    [...text.matchAll(new RegExp(`^${name}(?:\\{(.*)\\})? (\\S+)$`, 'gm'))].map(
      ([, labels = '', value]) => ({ label: labelValue(labels), value: Number(value) }),
    );
  const firstOf = (name: string) => samplesOf(name)[0]?.value;
  const sumOf = (name: string) => samplesOf(name).reduce((sum, { value }) => sum + value, 0);
  const synced = firstOf('supervisord_exporter_synced');
  return {
    now,
    events: sumOf('supervisord_exporter_events_total'),
    eventsLost: firstOf('supervisord_exporter_events_lost_total') ?? 0,
    eventsMalformed: sumOf('supervisord_exporter_events_malformed_total'),
    lastTick: firstOf('supervisord_exporter_last_tick_timestamp_seconds'),
    isRpcUp: firstOf('supervisord_exporter_rpc_up') === 1,
    isSynced: synced === undefined ? undefined : synced === 1,
    failedCollectors: samplesOf('supervisord_exporter_collector_success').flatMap(
      ({ label, value }) => (value === 0 ? [label] : []),
    ),
    failedAlerts: samplesOf('supervisord_exporter_alerts_failed_total').flatMap(
      ({ label, value }) => (value > 0 ? [{ alertmanager: label, count: value }] : []),
    ),
  };
}

/** The value of the only label. */
function labelValue(labels: string): string {
  return /="(.*)"$/.exec(labels)?.[1] ?? '';
}

type Answer =
  | { readonly kind: 'answer'; readonly status: number; readonly body: string }
  /** Nothing listens. */
  | { readonly kind: 'refused' }
  /** Something listens that does not speak HTTP, or not in time. */
  | { readonly kind: 'broken' };

interface Target extends ListenAddress {
  readonly secure: boolean;
  readonly path: string;
}

function get({ secure, host, port, path }: Target): Promise<Answer> {
  return new Promise((resolve) => {
    // Only whether and what it answers is of interest, not whose certificate it has.
    const options = { host, port, path, agent: false, rejectUnauthorized: false };
    const request = (secure ? https : http).get(options, (response) => {
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
