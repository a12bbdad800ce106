/** File name patterns as `[include] files` has them: Python's glob.glob. */

/** The names in a folder; none where it cannot be read. */
export type ListFolder = (path: string) => readonly string[];

/** The paths that match an absolute pattern, sorted. */
export function glob(pattern: string, list: ListFolder): string[] {
  const parts = pattern.split('/').slice(1);
  let found = [''];
  for (const [index, part] of parts.entries()) {
    const isLast = index === parts.length - 1;
    // A folder that is named need not be one that may be listed.
    if (!isPattern(part) && !isLast) found = found.map((folder) => `${folder}/${part}`);
    else found = found.flatMap((folder) => matchesIn(folder, part, list));
  }
  return found.sort();
}

function matchesIn(folder: string, part: string, list: ListFolder): string[] {
  const matches = isPattern(part) ? matcherOf(part) : (name: string) => name === part;
  return list(folder === '' ? '/' : folder)
    .filter(matches)
    .map((name) => `${folder}/${name}`);
}

function isPattern(part: string): boolean {
  return /[*?[]/.test(part);
}

/** fnmatch: `*`, `?`, `[abc]`, `[!abc]`. A hidden file is matched only where the dot is written. */
function matcherOf(pattern: string): (name: string) => boolean {
  const source = pattern.replace(/\[(!?)(\]?[^\]]*)\]|[\s\S]/g, (part, not, set?: string) => {
    if (part === '*') return '.*';
    if (part === '?') return '.';
    if (set === undefined) return part.replace(/[\\^$.|+()[\]{}]/, '\\$&');
    return `[${not === '!' ? '^' : ''}${set.replaceAll(/[\\\]^[]/g, '\\$&')}]`;
  });
  const expression = new RegExp(`^(?:${source})$`, 's');
  return (name) => expression.test(name) && (pattern.startsWith('.') || !name.startsWith('.'));
}
