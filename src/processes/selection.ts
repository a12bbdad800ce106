/** Which processes have series: the one owner of that decision. Pure. */

import { displayName, type ProcessId } from '../supervisor/process-id.ts';

export interface Selection {
  readonly isSelected: (id: ProcessId) => boolean;
}

export interface SelectionOptions {
  /** Matches what is selected; undefined: everything. */
  readonly include?: RegExp | undefined;
  /** Matches what is not selected, of what `include` matches. */
  readonly exclude?: RegExp | undefined;
}

export const ALL_PROCESSES: Selection = { isSelected: () => true };

/** The expressions are matched with `group:name`. */
export function createSelection({ include, exclude }: SelectionOptions): Selection {
  if (include === undefined && exclude === undefined) return ALL_PROCESSES;
  return {
    isSelected(id) {
      const name = displayName(id);
      return (include?.test(name) ?? true) && !exclude?.test(name);
    },
  };
}
