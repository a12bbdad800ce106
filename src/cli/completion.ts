/** `--completion-script-bash`: a completion script, made from the table of flags. */

import { COMMANDS, FLAGS } from './flags.ts';
import type { Flag } from './usage.ts';

export function completionScript(): string {
  const flags = Object.entries<Flag>(FLAGS);
  const words = [
    ...Object.keys(COMMANDS),
    ...flags.flatMap(([name, { type, initially }]) => {
      if (type === 'string') return [`--${name}=`];
      return initially === undefined ? [`--${name}`] : [`--${name}`, `--no-${name}`];
    }),
  ];
  const cases = flags.flatMap(([name, { choices, isPath }]) => {
    if (choices !== undefined) {
      return [
        `    --${name}) COMPREPLY=($(compgen -W '${choices.join(' ')}' -- "$cur")); return ;;`,
      ];
    }
    return isPath ? [`    --${name}) COMPREPLY=($(compgen -f -- "$cur")); return ;;`] : [];
  });
  // bash takes --flag=value apart at the equals sign.
  return `_supervisor_exporter() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]}
  if [[ $cur == = ]]; then cur=''; elif [[ $prev == = ]]; then prev=\${COMP_WORDS[COMP_CWORD-2]}; fi
  case $prev in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W '${words.join(' ')}' -- "$cur"))
  [[ \${COMPREPLY[0]} == *= ]] && compopt -o nospace
}
complete -F _supervisor_exporter supervisor-exporter
`;
}
