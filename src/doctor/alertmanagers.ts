/** Asks each Alertmanager for the alerts that it holds of those that the exporter pushes. */

import { resolve } from 'node:path';
import { openHttpClientConfig } from '../alertmanager/http-client-config.ts';
import { httpRequest } from '../alertmanager/http-request.ts';
import { FIXED, type Labels, pushedLabels } from '../alertmanager/payload.ts';
import type { Config } from '../cli/flags.ts';
import { AlertmanagerConfigError } from '../util/errors.ts';
import { describeHttpUrl, type HttpUrl } from '../util/url.ts';
import type { AlertmanagerFacts, HeldAlert } from './facts.ts';

const TIMEOUT_MS = 3_000;
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** Filter of Alertmanager's API v2 for the alerts that the exporter pushes. */
const QUERY = new URLSearchParams({ filter: `alertname=~"${Object.keys(FIXED).join('|')}"` });

/** The labels of the alerts that this exporter pushes; undefined where the system chooses its port. */
export function labelsOf(
  { listenAddresses, alertLabels }: Config,
  hostname: string,
): Labels | undefined {
  const [address] = listenAddresses;
  if (address === undefined || address.port === 0) return undefined;
  return pushedLabels(address, hostname, alertLabels);
}

/** `folder`: that of the exporter, where a relative path begins. */
export function askAlertmanagers(
  { alertmanagers, alertmanagerConfigFile }: Config,
  folder: string,
): Promise<AlertmanagerFacts[]> {
  const file = alertmanagerConfigFile && resolve(folder, alertmanagerConfigFile);
  return Promise.all(
    alertmanagers.map(async (url) => ({
      url: describeHttpUrl(url),
      answer: await ask(url, file),
    })),
  );
}

async function ask(url: HttpUrl, file: string | undefined): Promise<AlertmanagerFacts['answer']> {
  try {
    const config = file === undefined ? {} : await (await openHttpClientConfig(file))();
    const answer = await httpRequest(url, `/api/v2/alerts?${QUERY}`, {
      ...config,
      agent: false,
      timeoutMs: TIMEOUT_MS,
      maxBodyBytes: MAX_ANSWER_BYTES,
    });
    if (answer.kind === 'failed') return answer;
    if (answer.status !== 200) return { kind: 'failed', reason: `HTTP status ${answer.status}` };
    const alerts = readAlerts(answer.body ?? '');
    return alerts === undefined
      ? { kind: 'failed', reason: 'the answer is not that of an Alertmanager' }
      : { kind: 'answered', alerts };
  } catch (error) {
    if (!(error instanceof AlertmanagerConfigError)) throw error;
    return { kind: 'failed', reason: error.message };
  }
}

/** Reads the answer of `GET /api/v2/alerts`; undefined where it is something else. */
export function readAlerts(body: string): readonly HeldAlert[] | undefined {
  try {
    const alerts: unknown = JSON.parse(body);
    return Array.isArray(alerts) ? alerts.map(readAlert) : undefined;
  } catch {
    return undefined;
  }
}

function readAlert(value: unknown): HeldAlert {
  const { labels, generatorURL, startsAt } = value as Record<string, unknown>;
  return {
    labels: Object.fromEntries(
      Object.entries(labels as Record<string, unknown>).map(([name, text]) => [name, String(text)]),
    ),
    // Prometheus sets the address of the rule; the exporter sets none.
    isFromRule: typeof generatorURL === 'string' && generatorURL !== '',
    startedAt: Date.parse(String(startsAt)) / 1000,
  };
}
