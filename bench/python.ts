import { existsSync } from 'node:fs';

/** The system's Python, which is what supervisord runs on, where there is one. */
export const PYTHON = ['/usr/bin/python3'].find(existsSync) ?? 'python3';
