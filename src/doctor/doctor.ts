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
  const findings = check(await collect(request, host));
  return { text: formatReport(findings, coloured), exitStatus: exitStatusOf(findings) };
}
