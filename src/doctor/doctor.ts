/** `supervisor-exporter doctor`: looks for the usual mistakes and says what to write instead. */

import type { DoctorRequest } from '../cli/flags.ts';
import { examine } from './examine.ts';
import { gather, type Host } from './gather.ts';
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
  const findings = examine(await gather(request, host));
  return { text: formatReport(findings, coloured), exitStatus: exitStatusOf(findings) };
}
