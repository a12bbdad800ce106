/** Reads the Prometheus text format. */

import type { CachedText } from '../../src/exposition/cached-text.ts';

export type Labels = Readonly<Record<string, string>>;

interface Sample {
  readonly name: string;
  readonly labels: Labels;
  readonly value: number;
}

export class Exposition {
  readonly samples: readonly Sample[];

  constructor(text: string) {
    this.samples = text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map(parseSample);
  }

  /** The value of the one series with this name and these labels; undefined where there is none. */
  value(name: string, labels: Labels = {}): number | undefined {
    const [first, second] = this.where(name, labels);
    if (second !== undefined)
      throw new Error(`more than one ${name} with ${JSON.stringify(labels)}`);
    return first?.value;
  }

  /** The series of this name whose labels include these. */
  where(name: string, labels: Labels = {}): Sample[] {
    return this.samples.filter(
      (sample) =>
        sample.name === name &&
        Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
    );
  }

  sum(name: string, labels: Labels = {}): number {
    return this.where(name, labels).reduce((total, { value }) => total + value, 0);
  }

  /** What of a process' transitions is not 0, as `FROM>TO` to how often. */
  transitions(process: string): Record<string, number> {
    const [group = '', name = ''] = process.split(':');
    return Object.fromEntries(
      this.where('supervisord_process_transitions_total', { group, name })
        .filter(({ value }) => value !== 0)
        .map(({ labels, value }) => [`${labels['from']}>${labels['to']}`, value]),
    );
  }
}

function parseSample(line: string): Sample {
  const [, name, labelText = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
  if (name === undefined) throw new Error(`no sample: ${line}`);
  const labels = [...labelText.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(
    ([, label = '', text = '']) => [label, unescapeLabel(text)],
  );
  return { name, labels: Object.fromEntries(labels), value: Number(value) };
}

/** The text format escapes backslash, quote and newline, and nothing else. */
function unescapeLabel(text: string): string {
  return text.replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
}

export async function joinTexts(texts: readonly CachedText[]): Promise<string> {
  const parts = await Promise.all(texts.map((text) => text.plain()));
  return Buffer.concat(parts).toString();
}
