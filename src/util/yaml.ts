/**
 * A YAML file, read value by value with the rules of Go's yaml.v2 (YAML 1.1, strict), which the
 * exporter-toolkit uses. Every error names the line of the value.
 */

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
  type YAMLMap,
} from 'yaml';
import { WebConfigError } from './errors.ts';

/** For each key that a mapping may have, how its value is read. */
export type Readers<Fields> = { readonly [Key in keyof Fields]-?: (node: YamlNode) => Fields[Key] };

interface Source {
  readonly file: string;
  readonly document: Document.Parsed;
  readonly lines: LineCounter;
  /** How many more mappings merge keys may add: nested ones multiply. */
  mergesLeft: number;
}

const MAX_MERGES = 100;

interface Pair {
  readonly key: string;
  readonly node: YamlNode;
  /** The same for the pairs that are written in one mapping. */
  readonly origin: symbol;
}

const NULLS: readonly string[] = ['', '~', 'null', 'Null', 'NULL'];
const TRUE = /^(?:y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON)$/;
const FALSE = /^(?:n|N|no|No|NO|false|False|FALSE|off|Off|OFF)$/;

/** Which texts a scalar with an explicit tag may have. */
const TAGGED: Readonly<Record<string, (text: string) => boolean>> = {
  null: (text) => NULLS.includes(text),
  bool: (text) => TRUE.test(text) || FALSE.test(text),
  int: (text) => parseInteger(text) !== undefined,
  float: (text) => parseInteger(text) !== undefined,
};

/** A value with its line. Each method that reads it throws WebConfigError if the value has another type. */
export class YamlNode {
  readonly #source: Source;
  /** Several only for mappings that a merge key combines. */
  readonly #nodes: readonly (Node | null)[];
  readonly #line: number;
  /** Such as `tls_server_config.cert_file`; empty for the whole file. */
  readonly #path: string;

  constructor(source: Source, nodes: readonly (Node | null)[], line: number, path: string) {
    this.#source = source;
    this.#line = line;
    this.#path = path;
    this.#nodes = nodes.map((node) => (isAlias(node) ? this.#resolve(node) : node));
  }

  /** An error at this value, to be thrown. */
  error(what: string): WebConfigError {
    const subject = this.#path === '' ? '' : `${this.#path}: `;
    return new WebConfigError(`${this.#source.file}:${this.#line}: ${subject}${what}`);
  }

  /** A mapping of known keys. A key whose value is null counts as absent. */
  fields<Fields extends object>(readers: Readers<Fields>): Partial<Fields> {
    const found = new Map<keyof Fields, YamlNode>();
    const written = new Map<symbol, Set<string>>();
    for (const pair of this.#pairs()) {
      if (!isKeyOf(readers, pair.key)) {
        throw pair.node.error(`unknown key; known keys: ${Object.keys(readers).join(', ')}`);
      }
      const keys = written.get(pair.origin) ?? new Set();
      if (keys.has(pair.key)) throw pair.node.error('is set twice');
      written.set(pair.origin, keys.add(pair.key));
      const earlier = found.get(pair.key);
      const node = earlier === undefined ? pair.node : earlier.#mergedWith(pair.node);
      // A value that is replaced must be valid as well.
      if (earlier !== undefined && node === pair.node) earlier.#readUnlessNull(readers[pair.key]);
      found.set(pair.key, node);
    }
    const fields: Partial<Fields> = {};
    for (const [key, node] of found) {
      const value = node.#readUnlessNull(readers[key]);
      if (value !== undefined) fields[key] = value;
    }
    return fields;
  }

  /** A mapping with keys of any name. Here a merge key may not repeat a key, as in yaml.v2. */
  entries<Value>(read: (node: YamlNode, key: string) => Value): ReadonlyMap<string, Value> {
    const nodes = new Map<string, YamlNode>();
    for (const { key, node } of this.#pairs()) {
      if (nodes.has(key)) throw node.error('is set twice');
      nodes.set(key, node);
    }
    return new Map([...nodes].map(([key, node]) => [key, read(node, key)]));
  }

  items<Value>(read: (node: YamlNode) => Value): Value[] {
    const node = this.#node;
    if (!isSeq<ParsedNode>(node)) throw this.error('is not a list');
    return node.items.map((item) => read(this.#at(item, item, this.#path)));
  }

  /** The text of any scalar, as it is written: `0`, `yes`. Null is empty. */
  text(): string {
    if (this.#isNull()) return '';
    const node = this.#node;
    if (!isScalar(node)) throw this.error('is not a string');
    if (this.#tag === 'binary') throw this.error('has the tag !!binary, which is not supported');
    const text = node.source ?? '';
    const fits = TAGGED[this.#tag ?? ''];
    if (fits !== undefined && !fits(text)) throw this.error('does not have the type of its tag');
    return text;
  }

  flag(): boolean {
    const text = this.#unquoted('bool') ?? '';
    if (TRUE.test(text)) return true;
    if (FALSE.test(text)) return false;
    throw this.error('is not true or false');
  }

  /** An integer; a fraction is cut off. Undefined for a value that is no number. */
  integer(): number | undefined {
    const text = this.#unquoted('int', 'float');
    return text === undefined ? undefined : parseInteger(text);
  }

  /** One of the keys of `choices`; returns its value. */
  choice<Value>(choices: Readonly<Record<string, Value>>): Value {
    const name = this.text();
    if (!isKeyOf(choices, name)) {
      throw this.error(`${JSON.stringify(name)} is not one of ${Object.keys(choices).join(', ')}`);
    }
    return choices[name] as Value;
  }

  get #node(): Node | null {
    return this.#nodes[0] ?? null;
  }

  /** Without its prefix; undefined where none is written, or one that yaml.v2 does not know. */
  get #tag(): string | undefined {
    return /^tag:yaml\.org,2002:(\w+)$/.exec(this.#node?.tag ?? '')?.[1];
  }

  #readUnlessNull<Value>(read: (node: YamlNode) => Value): Value | undefined {
    return this.#isNull() ? undefined : read(this);
  }

  #isNull(): boolean {
    const text = this.#node === null ? '' : this.#unquoted('null');
    return text !== undefined && NULLS.includes(text);
  }

  /** The text of a scalar whose type follows from its text: a plain one, or one with one of these tags. */
  #unquoted(...tags: readonly string[]): string | undefined {
    const node = this.#node;
    if (!isScalar(node)) return undefined;
    const isTyped = node.tag === undefined ? node.type === 'PLAIN' : tags.includes(this.#tag ?? '');
    return isTyped ? node.source : undefined;
  }

  /** The parser reports no error for an unknown alias, which must not count as null. */
  #resolve(alias: Alias): Node {
    const node = alias.resolve(this.#source.document);
    if (node === undefined) throw this.error(`*${alias.source} has no anchor`);
    return node;
  }

  /** A later value replaces this one, but mappings are combined. */
  #mergedWith(later: YamlNode): YamlNode {
    if (!isMap(this.#node) || !isMap(later.#node)) return later;
    return new YamlNode(later.#source, [...this.#nodes, ...later.#nodes], later.#line, later.#path);
  }

  #pairs(): Pair[] {
    if (this.#isNull() && this.#path === '') return [];
    return this.#nodes.flatMap((node) => {
      if (!isMap<ParsedNode, ParsedNode | null>(node)) throw this.error('is not a mapping');
      return this.#pairsOf(node);
    });
  }

  #pairsOf(map: YAMLMap<ParsedNode, ParsedNode | null>): Pair[] {
    const origin = Symbol();
    return map.items.flatMap(({ key: keyNode, value }) => {
      const key = this.#at(keyNode, keyNode, this.#path);
      if (key.#unquoted('merge') === '<<') return this.#at(keyNode, value, this.#path).#merged();
      if (!isScalar(key.#node)) throw key.error('a key is not a string');
      const name = key.text();
      // `{user:password}`, without a blank after the colon, is one key: errors must not show the password.
      const shown = name.replace(/:.+/s, ':***');
      const path = this.#path === '' ? shown : `${this.#path}.${shown}`;
      return { key: name, node: this.#at(keyNode, value, path), origin };
    });
  }

  /** The pairs that a merge key adds: of a mapping, or of a list, whose first mapping has priority. */
  #merged(): Pair[] {
    this.#source.mergesLeft -= 1;
    if (this.#source.mergesLeft < 0) throw this.error('merges too many mappings');
    if (isMap(this.#node)) return this.#pairs();
    if (!isSeq(this.#node)) throw this.error('<<: is not a mapping or a list of mappings');
    return this.items((item) => {
      if (!isMap(item.#node)) throw item.error('is not a mapping');
      return item.#merged();
    })
      .reverse()
      .flat();
  }

  #at(standsAt: ParsedNode, node: Node | null, path: string): YamlNode {
    const { line } = this.#source.lines.linePos(standsAt.range[0]);
    return new YamlNode(this.#source, [node], line, path);
  }
}

/** The first document of a file. Throws WebConfigError for text that is not YAML. */
export function parseYaml(file: string, text: string): YamlNode {
  const lines = new LineCounter();
  const errorAt = (offset: number, what: string) =>
    new WebConfigError(`${file}:${lines.linePos(offset).line}: ${what}`);
  // Duplicate keys are found while reading: the parser names the wrong line for some.
  const document = parseDocument(text, {
    schema: 'failsafe',
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
  });
  const control = text.search(UNPRINTABLE);
  if (control !== -1) throw errorAt(control, 'contains a control character');
  const [problem] = [...document.errors, ...document.warnings].filter(
    ({ code }) => code !== 'TAG_RESOLVE_FAILED',
  );
  if (problem !== undefined) {
    throw errorAt(problem.pos[0], problem.message.replaceAll(/\s+/g, ' '));
  }
  const source = { file, document, lines, mergesLeft: MAX_MERGES };
  return new YamlNode(source, [document.contents], 1, '');
}

/** What YAML does not allow in a file (1.2, section 5.1). */
const UNPRINTABLE =
  /[^\t\n\r\u0020-\u007e\u0085\u00a0-\ud7ff\ue000-\ufefe\uff00-\ufffd\u{10000}-\u{10ffff}]/u;

/** As yaml.v2 resolves it: decimal, `0x`, `0o`, `0b`, octal after a 0, or a float. */
function parseInteger(written: string): number | undefined {
  const text = written.replaceAll('_', '');
  const [, sign = '', octal] = /^([-+]?)0o?([0-7]+)$/i.exec(text) ?? [];
  if (octal !== undefined) return Number(`${sign}1`) * Number.parseInt(octal, 8);
  const [, sign2 = '', digits] = /^([-+]?)(0x[\da-f]+|0b[01]+)$/i.exec(text) ?? [];
  if (digits !== undefined) return Number(`${sign2}1`) * Number(digits);
  if (!/^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:e[-+]?\d+)?$/i.test(text)) return undefined;
  const integer = Math.trunc(Number(text));
  return Number.isSafeInteger(integer) ? integer : undefined;
}

function isKeyOf<Table extends object>(table: Table, key: PropertyKey): key is keyof Table {
  return Object.hasOwn(table, key);
}
