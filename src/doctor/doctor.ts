/** `supervisor-exporter doctor`: finds common mistakes and prints how to fix them. */

import type { DoctorRequest } from '../cli/flags.ts';
import { check } from './check.ts';
import { collect, type Host } from './collect.ts';
import { exitStatusOf, formatReport } from './report.ts';

export interface Diagnosis {
  readonly text: string;
  readonly exitStatus: 0 | 1;
}

export async function diagnose(
  request: DoctorRequest,
  host: Host,
  coloured: boolean,
): Promise<Diagnosis> {
  const facts = await collect(request, host);
  const findings = check(facts);
  const text = formatReport(findings, { coloured, update: `${facts.supervisorctl} update` });
  return { text, exitStatus: exitStatusOf(findings) };
}
