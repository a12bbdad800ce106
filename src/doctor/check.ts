/** Runs all checks, in the order in which they depend on one another. */

import { quoteWord } from '../cli/shlex.ts';
import {
  checkAccess,
  checkAlone,
  checkCommand,
  checkConfigDrift,
  checkFlow,
  checkPorts,
  checkState,
} from './check-runtime.ts';
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

export function check(facts: Facts): Finding[] {
  const configuration = readableOf(facts.configuration);
  const servers = configuration === undefined ? [] : serversOf(configuration);
  return [
    checkNode(facts.nodeVersion),
    ...checkConfiguration(facts.configuration),
    ...(configuration === undefined ? [] : checkServer(configuration)),
    ...checkEndpoint(facts),
    ...checkSocket(facts.endpoint, facts.socket),
    ...checkRpc(facts.rpc, facts.socket, servers),
    ...(configuration === undefined ? [] : checkSections(facts, configuration, servers)),
  ];
}

/** Undefined where nothing could be read, so no further check applies. */
function readableOf(facts: Facts['configuration']): Configuration | undefined {
  if (facts.kind === 'none' || facts.configuration.sections.length === 0) return undefined;
  return facts.configuration;
}

function checkSections(
  facts: Facts,
  configuration: Configuration,
  servers: readonly Section[],
): Finding[] {
  if (facts.exporters.length === 0) return [sectionMissing(facts.runAsProgram, configuration)];
  const names = ['supervisord', ...servers.map(({ name }) => name)];
  return [
    ...checkAlone(facts.exporters),
    ...checkNames(configuration, [
      ...names,
      ...facts.exporters.map(({ listener }) => listener.section.name),
    ]),
    ...facts.exporters.flatMap((exporter) => checkExporter(exporter, facts, configuration)),
  ];
}

function checkExporter(
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
    ...checkConfigDrift(exporter),
    ...checkFlow(exporter),
  ];
}

function sectionMissing(runAsProgram: Section | undefined, configuration: Configuration): Finding {
  if (runAsProgram !== undefined) {
    return fail(
      'section',
      `[${runAsProgram.name}] runs the exporter as a program, which receives no events`,
      `${describePlace(runAsProgram.place)}: replace the whole section with the output of "supervisor-exporter print-config"`,
    );
  }
  return fail(
    'section',
    'no [eventlistener:…] runs the exporter',
    `supervisor-exporter print-config ${targetOf(configuration)} && supervisorctl update`,
  );
}

/** A shell redirection into a file that is included, else to the end of the main file. */
function targetOf({ path, patterns }: Configuration): string {
  const pattern = patterns.find((candidate) => candidate.includes('*'));
  const [, folder, extension = '.conf'] = /^(.*\/)[^/]*?(\.[^./]+)?$/.exec(pattern ?? '') ?? [];
  if (folder === undefined) return `>>${quoteWord(path)}`;
  return `>${quoteWord(`${folder}exporter${extension}`)}`;
}

/** Values in the given sections that cannot be expanded. */
function checkNames(configuration: Configuration, sections: readonly string[]): Finding[] {
  return configuration.unexpanded
    .filter(({ section }) => sections.includes(section))
    .map(describeUnexpanded);
}

function describeUnexpanded({ option, place, name }: Unexpanded): Finding {
  if (name === undefined) {
    return fail(
      'expansion',
      `${describePlace(place)}: ${option} has a % that begins no expansion, so supervisord rejects it`,
      'write %% for a percent sign',
    );
  }
  const variable = name.replace(/^ENV_/, '');
  return name.startsWith('ENV_')
    ? warn(
        'expansion',
        `${describePlace(place)}: ${option} needs ${variable}, which is not in the environment of doctor`,
        `pass doctor the variable that supervisord has: ${variable}=… supervisor-exporter doctor`,
      )
    : fail(
        'expansion',
        `${describePlace(place)}: supervisord has no %(${name})s and rejects the value`,
        `correct ${option}`,
      );
}
