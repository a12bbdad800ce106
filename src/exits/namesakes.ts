/** The processes of each name: several groups may have one of the same name, and a line of supervisord's log does not name the group. */

import type { ChangeFeed } from '../processes/changes.ts';
import type { ProcessId } from '../supervisor/process-id.ts';

export class Namesakes {
  readonly #ids = new Map<string, readonly ProcessId[]>();
  /** Names that several processes have had: the log has lines of those that were removed. */
  readonly #shared = new Set<string>();

  constructor(changes: ChangeFeed) {
    changes.subscribe((change) => {
      if (change.kind !== 'added' && change.kind !== 'removed') return;
      const { id } = change.process;
      const others = this.of(id.name).filter(({ group }) => group !== id.group);
      const ids = change.kind === 'added' ? [...others, id] : others;
      if (ids.length > 1) this.#shared.add(id.name);
      if (ids.length > 0) this.#ids.set(id.name, ids);
      else {
        this.#ids.delete(id.name);
        this.#shared.delete(id.name);
      }
    });
  }

  /** Whether a line with this name may be of several processes, as long as one of them is left. */
  areSeveral(name: string): boolean {
    return this.#shared.has(name);
  }

  of(name: string): readonly ProcessId[] {
    return this.#ids.get(name) ?? [];
  }
}
