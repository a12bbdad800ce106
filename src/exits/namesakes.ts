/** The processes of each name: several groups may have one of the same name, and a line of supervisord's log does not name the group. */

import type { ChangeFeed } from '../processes/changes.ts';
import type { ProcessId } from '../supervisor/process-id.ts';

export class Namesakes {
  readonly #ids = new Map<string, readonly ProcessId[]>();

  constructor(changes: ChangeFeed) {
    changes.subscribe((change) => {
      if (change.kind !== 'added' && change.kind !== 'removed') return;
      const { id } = change.process;
      const others = this.of(id.name).filter(({ group }) => group !== id.group);
      const ids = change.kind === 'added' ? [...others, id] : others;
      if (ids.length > 0) this.#ids.set(id.name, ids);
      else this.#ids.delete(id.name);
    });
  }

  of(name: string): readonly ProcessId[] {
    return this.#ids.get(name) ?? [];
  }
}
