/** Files of this host. */

import * as fs from 'node:fs';
import { join } from 'node:path';

export function exists(path: string): boolean {
  return fs.existsSync(path);
}

/** Resolves links; returns the path unchanged where it does not exist. */
export function withoutLinks(path: string): string {
  try {
    return fs.realpathSync(path);
  } catch {
    return path;
  }
}

/** Undefined where it cannot be read. */
export function readText(path: string): string | undefined {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** Searches PATH for a command; a name with a slash is a path already. */
export function findExecutable(name: string, path: string): string | undefined {
  const candidates = name.includes('/')
    ? [name]
    : path
        .split(':')
        .filter((folder) => folder !== '')
        .map((folder) => join(folder, name));
  return candidates.find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    fs.accessSync(path, fs.constants.X_OK);
    return fs.statSync(path).isFile();
  } catch {
    return false;
  }
}
