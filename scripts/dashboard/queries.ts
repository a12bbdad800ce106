/** The PromQL of the dashboard. */

/** A variable of the dashboard or of Grafana, where a letter could follow. */
export const variable = (name: string) => `\${${name}}`;

const EXPORTER = 'job=~"$job", instance=~"$instance"';
const PROCESS = `${EXPORTER}, group=~"$group", name=~"$name"`;

/** A metric of the chosen exporters. */
export const ofExporter = (metric: string) => `${metric}{${EXPORTER}}`;

/** A metric of the chosen processes; `more` holds further matchers. */
export const ofProcess = (metric: string, more = '') =>
  `${metric}{${more === '' ? PROCESS : `${PROCESS}, ${more}`}}`;

export const STATE = ofProcess('supervisord_state');
export const SYNCED = ofExporter('supervisord_exporter_synced');

/** One series for each process, without the job and the labels that Prometheus adds. */
export const each = (aggregation: 'max' | 'sum', expr: string) =>
  `${aggregation} by (instance, group, name) (${expr})`;

/**
 * The exporters of which a metric is missing: those that Prometheus scrapes, successfully or not,
 * and those that were there within ten minutes. A failed scrape ends every series of its target.
 */
export function without(metric: string): string {
  const target = `${ofExporter('up')} or on (job, instance) last_over_time(${SYNCED}[10m])`;
  return `(${target}) unless on (job, instance) ${metric}`;
}

const MISSING = without(SYNCED);
const NOT_SYNCED = without(`(${SYNCED} == 1)`);

/**
 * The number of problems. What is found is always counted; without any, 0 if `all` has series and no
 * exporter is in `unknown`, else -1.
 */
export function countOf(found: string, all: string, unknown: string): string {
  return `count(${found}) or (0 * count(${all}) unless on () count(${unknown})) or vector(-1)`;
}

/** For processes, of which only an exporter that is synced knows all. */
export const countProcesses = (found: string, all = STATE) => countOf(found, all, NOT_SYNCED);

/** For a gauge of the exporter, which is known where it has a sample. */
export const countExporters = (metric: string, found: string) =>
  countOf(`${ofExporter(metric)} ${found}`, ofExporter(metric), without(ofExporter(metric)));

export const EXPORTERS_DOWN = `count(${MISSING}) or 0 * count(${SYNCED}) or vector(-1)`;

/** The label `of` holds the number of all. */
export const RUNNING = [
  `(sum(${STATE} == bool 20) * on () group_right () count_values("of", count(${STATE}))`,
  `unless on () count(${NOT_SYNCED}))`,
  `or on () label_replace(vector(-1), "of", "?", "", "")`,
].join(' ');

/** While the exporter is down, the last known state, if the rules are loaded. */
export const FATAL = `${STATE} == 200 or ${ofProcess('instance_group_name:supervisord_process_fatal:last_known')}`;

const LAST_UNEXPECTED_EXIT = ofProcess(
  'supervisord_process_last_unexpected_exit_timestamp_seconds',
);

/** As SupervisorProcessDown: not up, and neither stopped on purpose nor ended as expected. */
const DOWN_NOW = [
  `(${ofProcess('supervisord_up')} == 0 unless (${STATE} == 0 or ${STATE} == 40)`,
  `unless (${STATE} == 100`,
  `unless ${LAST_UNEXPECTED_EXIT} >= ${ofProcess('supervisord_process_last_transition_timestamp_seconds')}`,
  `unless (${ofProcess('supervisord_process_exits_total')} == 0 and ${ofProcess('supervisord_exit_status')} != 0)))`,
].join(' ');

/** While the exporter is down, the last known state, if the rules are loaded. */
export const DOWN = `${DOWN_NOW} or ${ofProcess('instance_group_name:supervisord_process_down:last_known')}`;

export const FAILED_STARTS = ofProcess(
  'supervisord_process_transitions_total',
  'from="STARTING", to="BACKOFF"',
);

/** By the time of the exit: increase() does not see a counter that begins with 1. */
export const UNEXPECTED_EXIT = `last_over_time(${LAST_UNEXPECTED_EXIT}[$__range]) >= ${variable('__from:date:seconds')}`;

export const ALERTS = `count(ALERTS{job=~"$job", instance=~"$instance|", alertname=~"Supervisor.+", alertstate="firing"}) or (0 * count(${SYNCED}) unless on () count(${NOT_SYNCED})) or vector(-1)`;

/** The worst problem of each exporter: no scrape, a supervisord that hangs, not synced, no XML-RPC. */
export const EXPORTER_HEALTH = [
  `0 * max by (job, instance) (${MISSING})`,
  `1 + 0 * max by (job, instance) (${ofExporter('supervisord_stalled')} == 1)`,
  `2 + 0 * max by (job, instance) (${SYNCED} == 0)`,
  `3 + 0 * max by (job, instance) (${ofExporter('supervisord_exporter_rpc_up')} == 0)`,
  `4 + 0 * max by (job, instance) (${SYNCED})`,
].join(' or ');

const counted = (labels: string, expr: string) => `count by (${labels}) (${expr})`;
const GROUP = 'instance, group';

/** 0 none down, 1 a part, 2 all; where the list is not complete, only groups with something down. */
export const GROUP_HEALTH = [
  `1 + (${counted(GROUP, DOWN_NOW)} == bool ${counted(GROUP, STATE)})`,
  `0 * ${counted(GROUP, STATE)} unless on (instance) (${NOT_SYNCED})`,
].join(' or ');

export const GROUPS_DOWN = counted('job, instance, group', DOWN);

/** The whole range at every step, so that a process is shown throughout or not at all. */
const WHOLE = '[$__range] @ end()';

/** Processes that were in trouble at any time shown. */
const IN_TROUBLE = [
  `max_over_time(${STATE}${WHOLE}) >= 200`,
  `max_over_time(${ofProcess('supervisord_process_backoff_tries')}${WHOLE}) > 0`,
  `last_over_time(${LAST_UNEXPECTED_EXIT}${WHOLE}) >= ${variable('__from:date:seconds')}`,
  `sum without (from, to) (increase(${FAILED_STARTS}${WHOLE})) > 0`,
].join(' or ');

/** The variable `show` matches no name, or every name. */
export const STATES = `${each(
  'max',
  `max_over_time(${STATE}[$__interval]) or ${STATE}`,
)} and on (instance, group, name) (${IN_TROUBLE} or max_over_time(${ofProcess('supervisord_state', 'name=~"$show"')}${WHOLE}))`;

const STOP_TIME = each('max', ofProcess('supervisord_process_stop_time_seconds'));

/** An expression for the processes that ended last. */
export const ofLastExits = (expr: string) =>
  `${expr} and on (instance, group, name) topk(100, ${STOP_TIME})`;

export const LAST_EXIT_TIME = `1000 * topk(100, ${STOP_TIME})`;

/** Only of those of which it is known: a failed start is no exit to supervisord. */
export const LAST_EXIT_UNEXPECTED = `1 + 0 * (${each('max', LAST_UNEXPECTED_EXIT)} == ${STOP_TIME})`;

export const starts = (range: string) =>
  `increase(${ofProcess('supervisord_process_transitions_total', 'to="STARTING"')}[${range}])`;
