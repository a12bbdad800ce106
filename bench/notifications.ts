/** What a webhook has received of processes that were killed. */

import type { Webhook } from '../test/support/alertmanager.ts';
import type { Labels } from '../test/support/exposition.ts';

/** Milliseconds from each kill to the first notification; Infinity if there was none. */
export function firstLatencies(
  webhook: Webhook,
  labels: Labels,
  killedAt: ReadonlyMap<string, number>,
): number[] {
  return [...killedAt].map(
    ([name, at]) => (webhook.notified({ ...labels, name })[0]?.at ?? Infinity) - at,
  );
}

/** How many of these processes were first notified of with the signal that killed them. */
export function countWithReason(webhook: Webhook, labels: Labels, names: Iterable<string>): number {
  const firsts = [...names].map((name) => webhook.notified({ ...labels, name })[0]);
  const texts = firsts.map((alert) => alert?.annotations['description'] ?? '');
  return texts.filter((text) => text.includes('killed by SIGKILL')).length;
}
