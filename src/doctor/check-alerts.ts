/**
 * Compares the labels of pushed alerts with those of the rules' alerts that Alertmanager holds.
 * Where they differ, Alertmanager notifies each alert twice and resolves them separately.
 */

import type { Labels } from '../alertmanager/payload.ts';
import type { AlertmanagerFacts, HeldAlert } from './facts.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

/** Labels that are set for each alert, and not for the exporter. */
const OF_THE_ALERT: readonly string[] = ['alertname', 'severity', 'name', 'group'];
/** The push and the rule report the same exit within this time. */
const SAME_SECONDS = 120;

/** `own`: the labels of each pushed alert; undefined where they are not known. */
export function checkAlertmanager(
  { url, answer }: AlertmanagerFacts,
  own: Labels | undefined,
  update: string,
): Finding[] {
  if (answer.kind === 'failed') {
    const fix = `start it, or correct --alertmanager.url or --alertmanager.config.file, then: ${update}`;
    return [fail('alertmanager', `${url} cannot be used: ${answer.reason}`, fix)];
  }
  const answers = ok('alertmanager', `${url} answers`);
  const differences = own === undefined ? [] : differencesBetween(own, answer.alerts);
  return [
    answers,
    ...differences.map((difference) =>
      warn(
        'alert labels',
        difference,
        `make them equal with --alertmanager.label=NAME=VALUE, then: ${update}`,
      ),
    ),
  ];
}

/**
 * Describes each difference once. An alert of a rule with another instance may be of another
 * exporter, whose process of the same name has exited as well.
 */
function differencesBetween(own: Labels, alerts: readonly HeldAlert[]): readonly string[] {
  const ofRules = alerts.filter(({ isFromRule }) => isFromRule);
  const ofThisInstance = ofRules.filter(({ labels }) => labels['instance'] === own['instance']);
  if (ofThisInstance.length > 0) {
    const differences = new Set(ofThisInstance.flatMap(({ labels }) => compare(own, labels)));
    return [...differences].map((difference) => `${difference}: each alert is notified twice`);
  }
  const pushed = alerts.filter(
    ({ labels, isFromRule }) =>
      !isFromRule && Object.entries(own).every(([name, value]) => labels[name] === value),
  );
  const pairs = pushed.flatMap((one) => ofRules.filter((other) => areOfOneExit(one, other)));
  const differences = new Set(pairs.flatMap(({ labels }) => compare(own, labels)));
  return [...differences].map(
    (difference) =>
      `${difference}: each alert is notified twice, unless the rule was that of another exporter`,
  );
}

function areOfOneExit(one: HeldAlert, other: HeldAlert): boolean {
  return (
    OF_THE_ALERT.every((name) => one.labels[name] === other.labels[name]) &&
    Math.abs(one.startedAt - other.startedAt) <= SAME_SECONDS
  );
}

function compare(own: Labels, ofRule: Labels): string[] {
  const names = [...new Set([...Object.keys(own), ...Object.keys(ofRule)])];
  return names
    .filter((name) => !OF_THE_ALERT.includes(name) && own[name] !== ofRule[name])
    .map((name) => {
      const [ours, theirs] = [own[name], ofRule[name]].map((value) =>
        value === undefined ? `have no ${name}` : `have ${name}=${JSON.stringify(value)}`,
      );
      return `pushed alerts ${ours}, and alerts of the rules ${theirs}`;
    });
}
