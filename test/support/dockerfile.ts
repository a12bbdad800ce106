/**
 * Builds images without a container engine: the steps of Dockerfiles become a shell script that
 * runs them in chroots. An overlay over the root of this machine stands in for a base image, so
 * this shows that the steps work, and not that the base image has everything they need.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Instruction {
  readonly name: string;
  readonly text: string;
}

/** The folder of the script's namespace in which the roots of all stages are. */
const ROOTS = '"$ROOTS"';

interface Stage {
  readonly root: string;
  readonly variables: Record<string, string>;
  folder: string;
  user: string;
}

export interface Image {
  readonly root: string;
  readonly user: string;
  readonly command: readonly string[];
  readonly healthCheck: readonly string[];
}

export function parseDockerfile(text: string): Instruction[] {
  const lines = text.split('\n').filter((line) => !/^\s*(?:#|$)/.test(line));
  const joined = lines.join('\n').replaceAll(/\\\n\s*/g, '');
  return joined.split('\n').map((line) => {
    const [, name = '', rest = ''] = /^(\w+)\s+(.*)$/.exec(line.trim()) ?? [];
    return { name: name.toUpperCase(), text: rest };
  });
}

export class ImageScript {
  readonly #lines: string[] = [
    'set -eu',
    'mount -t tmpfs tmpfs "$ROOTS"',
    // Node and apt look at the processes and devices of their root.
    'base() { mkdir -p "$1.upper" "$1.work" "$1"; mount -t overlay -o "lowerdir=/,upperdir=$1.upper,workdir=$1.work" overlay "$1"; mount -t proc proc "$1/proc"; mount --rbind /dev "$1/dev"; }',
  ];
  readonly #images = new Map<string, Image>();
  #stages = 0;

  get text(): string {
    return `${this.#lines.join('\n')}\n`;
  }

  add(...lines: readonly string[]): void {
    this.#lines.push(...lines);
  }

  /** Adds the steps of FOLDER/Dockerfile; other Dockerfiles may then start from `name`. */
  build(folder: string, name: string): Image {
    const instructions = parseDockerfile(readFileSync(join(folder, 'Dockerfile'), 'utf8'));
    const globals: Record<string, string> = {};
    const stages = new Map<string, Stage>();
    let stage: Stage | undefined;
    let command: readonly string[] = [];
    let healthCheck: readonly string[] = [];
    for (const { name: step, text } of instructions) {
      if (stage === undefined && step === 'ARG') {
        assign(globals, text);
      } else if (step === 'FROM') {
        stage = this.#begin(expand(text, globals), stages);
      } else if (stage === undefined) {
        throw new Error(`${step} before FROM`);
      } else if (step === 'CMD' || step === 'ENTRYPOINT') {
        command = words(text);
      } else if (step === 'HEALTHCHECK') {
        healthCheck = words(text.replace(/^.*?CMD /, ''));
      } else {
        this.#step(step, text, stage, stages, folder);
      }
    }
    if (stage === undefined) throw new Error(`${folder} has no FROM`);
    const image = { root: stage.root, user: stage.user, command, healthCheck };
    this.#images.set(name, image);
    return image;
  }

  #begin(text: string, stages: Map<string, Stage>): Stage {
    const [, from = '', name] = /^(\S+)(?: AS (\S+))?$/i.exec(text) ?? [];
    const known = this.#images.get(from);
    this.#stages += 1;
    const root = known?.root ?? `${ROOTS}/${this.#stages}`;
    if (known === undefined) this.add(from === 'scratch' ? `mkdir ${root}` : `base ${root}`);
    const stage = { root, variables: {}, folder: '/', user: 'root' };
    if (name !== undefined) stages.set(name, stage);
    return stage;
  }

  #step(
    step: string,
    text: string,
    stage: Stage,
    stages: ReadonlyMap<string, Stage>,
    context: string,
  ): void {
    switch (step) {
      case 'ARG':
      case 'ENV':
        assign(stage.variables, text);
        break;
      case 'WORKDIR':
        stage.folder = text;
        this.add(`mkdir -p ${stage.root}${text}`);
        break;
      case 'USER':
        stage.user = text;
        break;
      case 'RUN':
        this.add(inRoot(stage, ['sh', '-c', `cd ${stage.folder} && ${text}`]));
        break;
      case 'COPY':
        this.#copy(text, stage, stages, context);
        break;
      case 'EXPOSE':
        break;
      default:
        throw new Error(`${step} is not known`);
    }
  }

  #copy(text: string, stage: Stage, stages: ReadonlyMap<string, Stage>, context: string): void {
    const [, from, rest = ''] = /^(?:--from=(\S+) )?(.*)$/.exec(text) ?? [];
    const paths = rest.split(' ');
    const to = paths.pop() ?? '';
    const target = `${stage.root}${to.startsWith('/') ? to : join(stage.folder, to)}`;
    if (from === undefined) {
      const files = to.endsWith('/') || paths[0] === '.' ? target : undefined;
      this.add(
        ...(files === undefined
          ? [
              `mkdir -p $(dirname ${target})`,
              `cp ${quote(join(context, paths[0] ?? ''))} ${target}`,
            ]
          : [`mkdir -p ${files}`, `${packContext(context, paths)} | tar -x -C ${files}`]),
      );
    } else {
      const source = stages.get(from) ?? this.#images.get(from);
      if (source === undefined) throw new Error(`COPY --from=${from} is no stage`);
      this.add(`mkdir -p ${target}`, `cp -a ${source.root}${paths[0]}. ${target}`);
    }
  }
}

/** A command that runs in the root of a stage or an image, with the environment of a container. */
export function inRoot(
  { root, user, variables = {} }: Pick<Stage, 'root' | 'user'> & Partial<Pick<Stage, 'variables'>>,
  command: readonly string[],
): string {
  const environment = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: user === 'root' ? '/root' : '/nonexistent',
    ...variables,
  };
  const settings = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const all = ['env', '-i', ...settings, ...command];
  return `chroot --userspec=${user} ${root} ${all.map(quote).join(' ')}`;
}

/** The files of the build context that .dockerignore leaves, of which each line is one name. */
function packContext(context: string, paths: readonly string[]): string {
  const ignored = readFileSync(join(context, '.dockerignore'), 'utf8').trim().split('\n');
  const excludes = ignored.map((name) => quote(`--exclude=./${name}`));
  const named = paths.map((path) => quote(path === '.' ? '.' : `./${path}`));
  return `tar -c -C ${quote(context)} ${excludes.join(' ')} ${named.join(' ')}`;
}

function assign(variables: Record<string, string>, text: string): void {
  const [, name = '', value = ''] = /^(\w+)(?:=(.*))?$/.exec(text) ?? [];
  variables[name] = value;
}

function expand(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => variables[name] ?? '');
}

/** The exec form, which is JSON. */
function words(text: string): readonly string[] {
  return JSON.parse(text) as readonly string[];
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'"'"'`)}'`;
}
