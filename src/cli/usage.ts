/**
 * Parses the words of a command line by a table of flags. The error of an invalid one is one line.
 *
 * No message repeats a value, a positional argument or an unusual flag name: any of them may be
 * a URL with a password in the wrong place.
 */

import { parseArgs } from 'node:util';
import { UsageError } from '../util/errors.ts';
import { nearest } from './nearest.ts';

/** A flag. `User` names those that accept it: the exporter and the commands. */
export interface Flag<User extends string = string> {
  readonly type: 'string' | 'boolean';
  readonly multiple?: boolean;
  readonly short?: string;
  readonly default?: string | string[];
  /** What the help shows for the value of a flag without a `default`: its form, or where it comes from. */
  readonly value?: string;
  /** The value is the path of a file or folder: print-config makes it absolute, and bash completes it. */
  readonly isPath?: boolean;
  readonly choices?: readonly string[];
  /** Of a boolean flag with both forms, --NAME and --no-NAME: its default. */
  readonly initially?: 'on' | 'off';
  /** The commands that accept it; by default the exporter and print-config. */
  readonly commands?: readonly User[];
  readonly help: string;
}

export interface GivenFlag {
  /** With `no-` where it was given so. */
  readonly name: string;
  readonly value: string | undefined;
}

type Table = Readonly<Record<string, Flag>>;

/** The values of a table: without a default a flag may be absent, and a boolean flag is false. */
type ValuesOf<Flags extends Table> = {
  readonly [Name in keyof Flags]: Flags[Name] extends { type: 'boolean' }
    ? boolean
    : Flags[Name] extends { multiple: true }
      ? WithDefault<Flags[Name], readonly string[]>
      : WithDefault<Flags[Name], string>;
};

type WithDefault<Entry, Value> = Entry extends { default: unknown } ? Value : Value | undefined;

export interface Words<Flags extends Table, Commands> {
  readonly values: ValuesOf<Flags>;
  /** In the order of the command line. */
  readonly given: readonly GivenFlag[];
  readonly command: keyof Commands | undefined;
}

/** Throws UsageError. */
export function parseWords<Flags extends Table, Commands extends Readonly<Record<string, string>>>(
  argv: readonly string[],
  flags: Flags,
  commands: Commands,
): Words<Flags, Commands> {
  const table = new FlagTable(flags);
  const singleDash = argv.flatMap((word) => /^-([a-z][a-z.-]+)(?:=|$)/s.exec(word)?.[1] ?? []);
  const known = singleDash.find((name) => table.has(name));
  if (known !== undefined) throw new UsageError(`a flag begins with two dashes: --${known}`);

  const { values, tokens } = table.parse(argv);
  const given = tokens.flatMap((token) =>
    token.kind === 'option' ? [{ name: token.name, value: token.value }] : [],
  );
  const positional = tokens.filter((token) => token.kind === 'positional');
  const command = readCommand(positional, table, Object.keys(commands));
  if (!given.some(({ name }) => ['help', 'version'].includes(name))) {
    table.checkUse(given, command ?? 'exporter');
  }
  const switches = Object.keys(flags).filter((name) => flags[name]?.type === 'boolean');
  return {
    // The table defines which values are strings, lists and booleans, and which are always present.
    values: {
      ...values,
      ...Object.fromEntries(switches.map((name) => [name, table.isOn(name, given)])),
    } as unknown as ValuesOf<Flags>,
    given,
    command,
  };
}

interface Positional {
  readonly index: number;
  readonly value: string;
}

function readCommand<Name extends string>(
  [first, second]: readonly Positional[],
  table: FlagTable,
  commands: readonly Name[],
): Name | undefined {
  if (first === undefined) return undefined;
  const command = commands.find((name) => name === first.value);
  if (command === undefined) throw unknownCommand(first, table, commands);
  if (second === undefined) return command;
  throw new UsageError(`${command} takes no arguments: remove argument ${second.index + 1}`);
}

function unknownCommand(
  { value, index }: Positional,
  table: FlagTable,
  commands: readonly string[],
): UsageError {
  const [, flag = ''] = /^([a-z][a-z.-]*)(?:=|$)/s.exec(value) ?? [];
  if (table.has(flag)) return new UsageError(`a flag begins with two dashes: --${flag}`);
  const similar = nearest(value, commands);
  const hint =
    similar === undefined ? `commands: ${commands.join(', ')}` : `did you mean ${similar}?`;
  return new UsageError(`argument ${index + 1} is neither a flag nor a command; ${hint}`);
}

interface OptionToken {
  readonly index: number;
  readonly name: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

class FlagTable {
  readonly #flags: Table;
  readonly #options: Readonly<Record<string, Flag>>;

  constructor(flags: Table) {
    this.#flags = flags;
    const negatives = Object.entries(flags)
      .filter(([, { initially }]) => initially !== undefined)
      .map(([name, flag]) => [`no-${name}`, flag] as const);
    this.#options = { ...flags, ...Object.fromEntries(negatives) };
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#options, name);
  }

  parse(argv: readonly string[]) {
    const input = {
      args: [...argv],
      options: this.#options,
      allowPositionals: true,
      tokens: true,
    } as const;
    try {
      return parseArgs({ ...input, strict: true });
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      const { tokens } = parseArgs({ ...input, strict: false });
      for (const token of tokens) {
        const reason = token.kind === 'option' ? this.#faultOf(token) : undefined;
        if (reason !== undefined) throw new UsageError(reason);
      }
      throw new UsageError('the command line cannot be parsed');
    }
  }

  /** If both forms of a flag are given, the last one counts. */
  isOn(name: string, given: readonly GivenFlag[]): boolean {
    const forms = given.filter((flag) => flag.name === name || flag.name === `no-${name}`);
    const last = forms.at(-1);
    return last === undefined ? this.#flags[name]?.initially === 'on' : last.name === name;
  }

  checkUse(given: readonly GivenFlag[], user: string): void {
    for (const { name } of given) {
      const users: readonly string[] = this.#options[name]?.commands ?? [
        'exporter',
        'print-config',
      ];
      if (users.includes(user)) continue;
      const reason =
        user === 'exporter' ? `a flag of ${users.join(' and ')} only` : `not a flag of ${user}`;
      throw new UsageError(`--${name} is ${reason}`);
    }
  }

  /** Why parseArgs refuses an option; undefined where it does not. */
  #faultOf({ index, name, value, inlineValue }: OptionToken): string | undefined {
    const flag = this.has(name) ? this.#options[name] : undefined;
    if (flag === undefined) return `unknown flag${this.#describeUnknown(name, index)}`;
    if (flag.type === 'boolean') {
      return value === undefined
        ? undefined
        : `--${name} takes no value${this.#otherForm(name, value)}`;
    }
    if (value === undefined) return `--${name} requires a value`;
    return !inlineValue && value.startsWith('-')
      ? `--${name} requires a value; a value that begins with a dash is written --${name}=VALUE`
      : undefined;
  }

  /** For `--flag=true` and `--flag=false`, which Go's flag package accepts. */
  #otherForm(name: string, value: string): string {
    const isTrue = /^(?:true|t|1|yes|on)$/i.test(value);
    if (!isTrue && !/^(?:false|f|0|no|off)$/i.test(value)) return '';
    if (isTrue) return `; write --${name}`;
    if (this.#options[name]?.initially === undefined) return '; leave it out';
    const other = Object.hasOwn(this.#flags, name) ? `no-${name}` : name.slice('no-'.length);
    return `; write --${other}`;
  }

  /** A name that does not look like a flag's is not shown: it could be a URL or a password. */
  #describeUnknown(name: string, index: number): string {
    const shown = /^[a-z][a-z.-]{0,39}$/.test(name) ? ` --${name}` : `: argument ${index + 1}`;
    const names = Object.keys(this.#options);
    const longer = names.filter((candidate) => name !== '' && candidate.startsWith(name));
    const similar = nearest(name, names) ?? (longer.length === 1 ? longer[0] : undefined);
    return similar === undefined ? shown : `${shown}; did you mean --${similar}?`;
  }
}
