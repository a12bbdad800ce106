/** Whether a run that has just begun can have written anything yet: proc(5), /proc/PID/io and stat. */

import { readFileSync } from 'node:fs';
import { ifReadable } from '../util/errno.ts';
import { fieldsAfterName } from './proc-stat.ts';

/** Indexes among the fields of /proc/PID/stat after the name. */
const PARENT = 1;
const MINOR_FAULTS_OF_CHILDREN = 8;
const THREADS = 17;

/**
 * Whether it is established that the process has written nothing, and that it has had no child
 * that could have: neither one that exists, nor one that has ended, whose page faults it has.
 */
export function hasWrittenNothing(pid: number, supervisorPid: number, proc = '/proc'): boolean {
  const folder = `${proc}/${pid}`;
  const isSilent = ifReadable(() => {
    // Counts what was passed to write(2), whether or not it was read from a pipe since.
    const [, written] = /^wchar: (\d+)$/m.exec(readFileSync(`${folder}/io`, 'latin1')) ?? [];
    const children = readFileSync(`${folder}/task/${pid}/children`, 'latin1');
    const fields = fieldsAfterName(readFileSync(`${folder}/stat`, 'latin1'));
    return (
      written === '0' &&
      children === '' &&
      fields[PARENT] === String(supervisorPid) &&
      fields[MINOR_FAULTS_OF_CHILDREN] === '0' &&
      fields[THREADS] === '1'
    );
  });
  return isSilent === true;
}
