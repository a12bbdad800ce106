/** Runs all checks, in the order in which they depend on one another. */

import { quoteWord } from '../cli/shlex.ts';
import type { Configuration } from '../configuration/configuration.ts';
import { checkHealth } from './check-health.ts';
import { checkLog, checkReading } from './check-reading.ts';
import {
  checkAccess,
  checkAlone,
  checkCommand,
  checkGroups,
  checkLoaded,
  checkLogTail,
  checkPorts,
  checkState,
} from './check-runtime.ts';
import {
  checkBuffer,
  checkEvents,
  checkLogs,
  checkName,
  checkNumprocs,
  checkPriority,
  checkRedirect,
  checkRestart,
  checkStartsecs,
} from './check-section.ts';
import { checkEndpoint, checkNode, checkRpc, checkServer, checkSocket } from './check-server.ts';
import { controlOf } from './control.ts';
import type { ExporterFacts, Facts, RpcFacts } from './facts.ts';
import { describeSection, type Finding, fail, ok, type Section } from './finding.ts';

type SectionOf = (name: string) => Section;

export function check(facts: Facts): Finding[] {
  const { reading, places } = facts;
  const configuration = reading.kind === 'accepted' ? reading.configuration : undefined;
  const mainFile = configuration?.path ?? 'supervisord.conf';
  const sectionOf: SectionOf = (name) => ({ name, places, mainFile });
  const servers = (configuration?.servers ?? []).map(({ section }) => sectionOf(section));
  const { freeLogBytes, rpc, socket, endpoint, exporters } = facts;
  const update = `${facts.supervisorctl} update`;
  return [
    checkNode(facts.nodeVersion),
    ...checkReading(facts),
    ...(configuration === undefined
      ? []
      : [
          ...checkServer(configuration),
          ...checkLog(sectionOf('supervisord'), configuration, freeLogBytes),
        ]),
    ...checkEndpoint(facts),
    ...checkSocket(endpoint, socket),
    ...checkRpc(rpc, socket, servers),
    ...(configuration === undefined
      ? exporters.flatMap((exporter) => checkProcess(exporter, facts, sectionOf))
      : [
          ...checkSections(facts, configuration, sectionOf, servers),
          ...checkGroups(configuration, rpc, exporters, update),
        ]),
  ];
}

function checkSections(
  facts: Facts,
  configuration: Configuration,
  sectionOf: SectionOf,
  servers: readonly Section[],
): Finding[] {
  if (facts.exporters.length === 0) return [sectionMissing(facts, configuration, sectionOf)];
  return [
    ...checkAlone(facts.exporters, sectionOf),
    ...facts.exporters.flatMap((exporter) => {
      const section = sectionOf(exporter.listener.section);
      return [
        ok('section', `[${section.name}], ${describeSection(section)}`),
        ...checkCommand(section, exporter),
        ...checkLogTail(section, exporter),
        ...checkSettings(section, exporter, facts.rpc, configuration),
        ...checkAccess(section, exporter, facts, servers),
        ...checkProcess(exporter, facts, sectionOf),
      ];
    }),
  ];
}

function checkSettings(
  section: Section,
  { listener: { settings }, stdoutLog }: ExporterFacts,
  rpc: RpcFacts,
  configuration: Configuration,
): Finding[] {
  if (settings === undefined) return [];
  const processes = rpc.kind === 'answered' ? rpc.snapshot.processes.length : 0;
  return [
    ...checkName(section, settings, configuration),
    checkEvents(section, settings, configuration),
    checkBuffer(section, settings, processes),
    checkPriority(section, settings, configuration),
    checkNumprocs(section, settings),
    ...checkRedirect(section, settings),
    ...checkRestart(section, settings),
    checkStartsecs(section, settings),
    ...checkLogs(section, settings, stdoutLog),
  ];
}

/** What supervisord and the exporter's port report. */
function checkProcess(exporter: ExporterFacts, facts: Facts, sectionOf: SectionOf): Finding[] {
  const { listener } = exporter;
  const section = sectionOf(listener.section);
  const control = controlOf(facts.supervisorctl, section.name, listener.group);
  return [
    ...checkPorts(section, exporter, control),
    ...checkState(exporter, control),
    ...(listener.settings === undefined ? [] : checkLoaded(section, exporter, control)),
    ...checkHealth(exporter, control),
  ];
}

function sectionMissing(
  { runAsProgram, supervisorctl }: Facts,
  configuration: Configuration,
  sectionOf: SectionOf,
): Finding {
  if (runAsProgram !== undefined) {
    return fail(
      'section',
      `[${runAsProgram}] runs the exporter as a program, and programs receive no events`,
      `${describeSection(sectionOf(runAsProgram))}: replace the whole section with the output of "supervisor-exporter print-config"`,
    );
  }
  return fail(
    'section',
    'no [eventlistener:…] runs the exporter',
    `supervisor-exporter print-config ${targetOf(configuration)} && ${supervisorctl} update`,
  );
}

/** A shell redirection into a file that is included, else to the end of the main file. */
function targetOf({ path, patterns }: Configuration): string {
  const pattern = patterns.find((candidate) => candidate.includes('*'));
  const [, folder, extension = '.conf'] = /^(.*\/)[^/]*?(\.[^./]+)?$/.exec(pattern ?? '') ?? [];
  if (folder === undefined) return `>>${quoteWord(path)}`;
  return `>${quoteWord(`${folder}exporter${extension}`)}`;
}
