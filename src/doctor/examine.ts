/** From the facts to what is found, in the order in which things depend on one another. */

import { quoteWord } from '../cli/shlex.ts';
import {
  checkAccess,
  checkAlone,
  checkCommand,
  checkDrift,
  checkFlow,
  checkPorts,
  checkState,
} from './check-life.ts';
import {
  checkBuffer,
  checkEvents,
  checkLogs,
  checkNumprocs,
  checkPriority,
  checkRedirect,
  checkRestart,
  checkStartsecs,
} from './check-section.ts';
import {
  checkConfiguration,
  checkEndpoint,
  checkNode,
  checkRpc,
  checkServer,
  checkSocket,
  serversOf,
} from './check-server.ts';
import type { Configuration, Unexpanded } from './configuration.ts';
import type { ExporterFacts, Facts } from './facts.ts';
import { describePlace, type Finding, fail, ok, warn } from './finding.ts';
import type { Section } from './ini.ts';

export function examine(facts: Facts): Finding[] {
  const configuration = readableOf(facts.configuration);
  const servers = configuration === undefined ? [] : serversOf(configuration);
  return [
    checkNode(facts.nodeVersion),
    ...checkConfiguration(facts.configuration),
    ...(configuration === undefined ? [] : checkServer(configuration)),
    ...checkEndpoint(facts),
    ...checkSocket(facts.endpoint, facts.socket),
    ...checkRpc(facts.rpc, facts.socket, servers),
    ...(configuration === undefined ? [] : examineSections(facts, configuration, servers)),
  ];
}

/** A configuration in which nothing could be read has no other mistakes. */
function readableOf(facts: Facts['configuration']): Configuration | undefined {
  if (facts.kind === 'none' || facts.configuration.sections.length === 0) return undefined;
  return facts.configuration;
}

function examineSections(
  facts: Facts,
  configuration: Configuration,
  servers: readonly Section[],
): Finding[] {
  if (facts.exporters.length === 0) return [sectionMissing(facts.misplaced, configuration)];
  const names = ['supervisord', ...servers.map(({ name }) => name)];
  return [
    ...checkAlone(facts.exporters),
    ...checkNames(configuration, [
      ...names,
      ...facts.exporters.map(({ listener }) => listener.section.name),
    ]),
    ...facts.exporters.flatMap((exporter) => examineExporter(exporter, facts, configuration)),
  ];
}

function examineExporter(
  exporter: ExporterFacts,
  facts: Facts,
  configuration: Configuration,
): Finding[] {
  const { section } = exporter.listener;
  const processes = facts.rpc.kind === 'answered' ? facts.rpc.snapshot.processes.length : 0;
  return [
    ok('section', `[${section.name}], ${describePlace(section.place)}`),
    ...checkCommand(exporter),
    ...checkEvents(section, configuration),
    checkBuffer(section, processes),
    checkPriority(section, configuration),
    checkNumprocs(section),
    checkRedirect(section),
    ...checkRestart(section),
    checkStartsecs(section),
    ...checkLogs(section),
    ...checkAccess(exporter, facts, serversOf(configuration)),
    ...checkPorts(exporter),
    ...checkState(exporter),
    ...checkDrift(exporter),
    ...checkFlow(exporter),
  ];
}

function sectionMissing(misplaced: Section | undefined, configuration: Configuration): Finding {
  if (misplaced !== undefined) {
    return fail(
      'section',
      `[${misplaced.name}] runs the exporter as a program, which gets no events`,
      `${describePlace(misplaced.place)}: replace the whole section by what "supervisor-exporter print-config" prints`,
    );
  }
  return fail(
    'section',
    'no [eventlistener:…] runs the exporter',
    `supervisor-exporter print-config ${targetOf(configuration)} && supervisorctl update`,
  );
}

/** Into a file that is included, or else at the end of the one file. */
function targetOf({ path, patterns }: Configuration): string {
  const pattern = patterns.find((candidate) => candidate.includes('*'));
  const [, folder, extension = '.conf'] = /^(.*\/)[^/]*?(\.[^./]+)?$/.exec(pattern ?? '') ?? [];
  if (folder === undefined) return `>>${quoteWord(path)}`;
  return `>${quoteWord(`${folder}exporter${extension}`)}`;
}

/** Values of the sections that matter that can't be read without supervisord's own environment. */
function checkNames(configuration: Configuration, sections: readonly string[]): Finding[] {
  return configuration.unexpanded
    .filter(({ section }) => sections.includes(section))
    .map(describeUnexpanded);
}

function describeUnexpanded({ option, place, name }: Unexpanded): Finding {
  if (name === undefined) {
    return fail(
      'expansion',
      `${describePlace(place)}: ${option} has a % that stands for nothing, and supervisord refuses it`,
      'write %% for a percent sign',
    );
  }
  const variable = name.replace(/^ENV_/, '');
  return name.startsWith('ENV_')
    ? warn(
        'expansion',
        `${describePlace(place)}: ${option} needs ${variable}, which is not in the environment of doctor`,
        `give doctor what supervisord has: ${variable}=… supervisor-exporter doctor`,
      )
    : fail(
        'expansion',
        `${describePlace(place)}: supervisord knows no %(${name})s, and refuses it`,
        `correct ${option}`,
      );
}
