/** The `supervisorctl` commands that fixes name. */

export interface Control {
  readonly update: string;
  /** A process of the group as supervisorctl names it. */
  readonly nameOf: (process: string) => string;
  /** For a process of the exporter's group, or for the whole group. */
  readonly run: (action: 'start' | 'restart' | 'tail', process?: string) => string;
}

/** `supervisorctl`: with the arguments that make it find the supervisord. */
export function controlOf(supervisorctl: string, section: string, group: string): Control {
  const nameOf = (process: string) => (process === group ? group : `${group}:${process}`);
  return {
    update: `${supervisorctl} update`,
    nameOf,
    run(action, process = group) {
      const name = nameOf(process);
      const end = action === 'tail' ? ' stderr' : '';
      if (!/\s/.test(name)) return `${supervisorctl} ${action} ${name}${end}`;
      if (action === 'tail') return 'read its stderr_logfile';
      // supervisorctl splits its arguments at blanks.
      return `remove the blanks from the name [${section}], which supervisorctl cannot address, then: ${supervisorctl} update`;
    },
  };
}
