/** A YAML file, read value by value; whatever is wrong is told with the line it stands on. */

import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParsedNode,
  parseDocument,
} from 'yaml';
import { WebConfigError } from './error.ts';

/** For each key that a mapping may have, how its value is read. */
export type Readers<Fields> = { readonly [Key in keyof Fields]-?: (place: Place) => Fields[Key] };

interface Source {
  readonly file: string;
  readonly document: Document.Parsed;
  readonly lines: LineCounter;
}

/** A value and where it stands. Each way to read it throws WebConfigError if it is something else. */
export class Place {
  readonly #source: Source;
  readonly #node: Node | null;
  readonly #line: number;
  /** Such as `tls_server_config.cert_file`; empty for the whole file. */
  readonly #path: string;

  constructor(source: Source, node: Node | null, line: number, path: string) {
    this.#source = source;
    this.#line = line;
    this.#path = path;
    this.#node = isAlias(node) ? this.#resolve(node) : node;
  }

  /** What is wrong here, to be thrown. */
  error(what: string): WebConfigError {
    const subject = this.#path === '' ? '' : `${this.#path}: `;
    return new WebConfigError(`${this.#source.file}:${this.#line}: ${subject}${what}`);
  }

  /** A mapping of known keys. A key without a value is as one that is not there. */
  fields<Fields extends object>(readers: Readers<Fields>): Partial<Fields> {
    const fields: Partial<Fields> = {};
    for (const [key, place] of this.#pairs()) {
      if (!isKeyOf(readers, key)) {
        throw place.error(`unknown key; known are ${Object.keys(readers).join(', ')}`);
      }
      if (!place.#isBlank()) fields[key] = readers[key](place);
    }
    return fields;
  }

  /** A mapping with keys of any name. */
  entries<Value>(read: (place: Place) => Value): ReadonlyMap<string, Value> {
    return new Map(this.#pairs().map(([key, place]) => [key, read(place)]));
  }

  items<Value>(read: (place: Place) => Value): Value[] {
    if (!isSeq<ParsedNode>(this.#node)) throw this.error('is not a list');
    return this.#node.items.map((node) => read(this.#at(node, node, this.#path)));
  }

  text(): string {
    return this.#scalar('string', 'a string');
  }

  flag(): boolean {
    return this.#scalar('boolean', 'true or false');
  }

  number(): number {
    return this.#scalar('number', 'a number');
  }

  isNumber(): boolean {
    return isScalar(this.#node) && typeof this.#node.value === 'number';
  }

  /** One of the keys of `choices`; gives what it stands for. */
  choice<Value>(choices: Readonly<Record<string, Value>>): Value {
    const name = this.text();
    if (!isKeyOf(choices, name)) {
      throw this.error(`${JSON.stringify(name)} is not one of ${Object.keys(choices).join(', ')}`);
    }
    return choices[name] as Value;
  }

  /** An alias of nothing is no error to the parser, and must not pass for a blank. */
  #resolve(alias: Alias): Node {
    const node = alias.resolve(this.#source.document);
    if (node === undefined) throw this.error(`*${alias.source} stands for nothing`);
    return node;
  }

  #isBlank(): boolean {
    return this.#node === null || (isScalar(this.#node) && this.#node.value === null);
  }

  #scalar(type: 'string', wanted: string): string;
  #scalar(type: 'boolean', wanted: string): boolean;
  #scalar(type: 'number', wanted: string): number;
  #scalar(type: string, wanted: string): unknown {
    const value = isScalar(this.#node) ? this.#node.value : undefined;
    if (typeof value !== type) throw this.error(`is not ${wanted}`);
    return value;
  }

  #pairs(): Array<readonly [key: string, place: Place]> {
    if (this.#isBlank() && this.#path === '') return [];
    if (!isMap<ParsedNode, ParsedNode | null>(this.#node)) throw this.error('is not a mapping');
    const names = new Set<string>();
    return this.#node.items.map(({ key, value }) => {
      if (!isScalar(key)) throw this.#at(key, null, this.#path).error('a key is not a string');
      // As it was written: a user may be called 007.
      const name = key.source ?? String(key.value);
      const place = this.#at(key, value, this.#path === '' ? name : `${this.#path}.${name}`);
      if (names.has(name)) throw place.error('is there twice');
      names.add(name);
      return [name, place];
    });
  }

  #at(standsAt: ParsedNode, node: Node | null, path: string): Place {
    const { line } = this.#source.lines.linePos(standsAt.range[0]);
    return new Place(this.#source, node, line, path);
  }
}

/** The whole of a file. Throws WebConfigError for what is no YAML. */
export function parseYaml(file: string, text: string): Place {
  const lines = new LineCounter();
  // Keys that are there twice are looked for above: the parser names the wrong line for some.
  const options = { lineCounter: lines, prettyErrors: false, uniqueKeys: false };
  const document = parseDocument(text, options);
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) {
    const { line } = lines.linePos(problem.pos[0]);
    throw new WebConfigError(`${file}:${line}: ${problem.message.replaceAll(/\s+/g, ' ')}`);
  }
  return new Place({ file, document, lines }, document.contents, 1, '');
}

function isKeyOf<Table extends object>(table: Table, key: PropertyKey): key is keyof Table {
  return Object.hasOwn(table, key);
}
