/** A name for the exporter's section that supervisord does not have yet. */

import type { DoctorRequest } from '../cli/flags.ts';
import type { SectionName } from '../cli/print-config.ts';
import { askServer, createClient } from './ask.ts';
import { freeName } from './check-section.ts';
import { type Host, readConfigurationOf } from './collect.ts';
import { findListeners } from './listener.ts';

/** From the configuration, else from the running supervisord, else the shipped name with a doubt. */
export async function chooseSectionName(request: DoctorRequest, host: Host): Promise<SectionName> {
  const { reading, environment } = await readConfigurationOf(request, host);
  if (reading.kind === 'accepted') {
    const { configuration } = reading;
    const runningWords = () => undefined;
    // A section that runs the exporter keeps its name, so that the output can replace it.
    const [own] = findListeners(configuration, {
      program: host.program,
      environment,
      runningWords,
    });
    const taken = configuration.sections.map((name) => name.slice(name.indexOf(':') + 1));
    return { name: own?.group ?? freeName(taken), doubt: undefined };
  }
  const { supervisor, supervisorTimeoutMs } = request;
  if (supervisor !== undefined) {
    const rpc = await askServer(createClient(supervisor, supervisorTimeoutMs));
    if (rpc.kind === 'answered') {
      const taken = rpc.snapshot.processes.map(({ group }) => group);
      return { name: freeName(taken), doubt: undefined };
    }
  }
  return { name: freeName([]), doubt: DOUBTS[reading.kind] };
}

const DOUBTS = {
  refused: 'supervisord does not accept its configuration, see "supervisor-exporter doctor".',
  'no-reader': 'supervisord could not be found on this machine.',
} as const;
