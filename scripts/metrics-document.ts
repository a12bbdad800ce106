/** docs/metrics.md, from the text of a /metrics with a sample in each family. */

interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labels: readonly string[];
}

interface Section {
  readonly title: string;
  readonly text: string;
  readonly includes: (family: Family) => boolean;
}

const isOfNodeExporter = ({ name }: Family) => name.startsWith('node_');
const isOfProcess = ({ labels }: Family) => labels.includes('group') && labels.includes('name');

const SECTIONS: readonly Section[] = [
  {
    title: 'Processes',
    text: 'Each has the labels `name` and `group`. A process that was removed from supervisord has no series, and an unknown value has no sample.',
    includes: (family) => isOfProcess(family) && !isOfNodeExporter(family),
  },
  {
    title: 'supervisord',
    text: '',
    includes: (family) =>
      !isOfProcess(family) &&
      !isOfNodeExporter(family) &&
      !family.name.startsWith('supervisord_exporter_'),
  },
  {
    title: 'The exporter',
    text: '`process_*` and `nodejs_*`, about 50 series of the exporter itself, are left out with `--web.disable-exporter-metrics`.',
    includes: ({ name }) => name.startsWith('supervisord_exporter_'),
  },
  {
    title: 'With `--metrics.compat=node_exporter`',
    text: "The metrics of node_exporter's deprecated collector, with its names, types and meaning.",
    includes: isOfNodeExporter,
  },
];

const INTRODUCTION = `# Metrics

<!-- Written by \`npm run docs\` from the HELP texts. -->

Timestamps are in epoch seconds: with milliseconds if supervisord's log or an event has them, and in whole seconds
if only a snapshot has them.
`;

/** The labels of all processes, which each table would repeat. */
const COMMON_LABELS: readonly string[] = ['name', 'group'];

export function metricsDocument(exposition: string): string {
  const families = readFamilies(exposition);
  const sections = SECTIONS.map(({ title, text, includes }) => {
    const rows = families.filter(includes).map(({ name, type, labels, help }) => {
      const own = labels.filter((label) => !COMMON_LABELS.includes(label));
      return `| \`${name}\` | ${type} | ${own.map((label) => `\`${label}\``).join(', ')} | ${help} |`;
    });
    return [
      `## ${title}`,
      ...(text === '' ? [] : ['', text]),
      '',
      '| metric | type | labels | meaning |',
      '|---|---|---|---|',
      ...rows,
      '',
    ].join('\n');
  });
  return [INTRODUCTION, ...sections].join('\n');
}

function readFamilies(exposition: string): Family[] {
  const helps = [...exposition.matchAll(/^# HELP (\w+) (.*)\n# TYPE \w+ (\w+)$/gm)];
  return helps.map(([, name = '', help = '', type = '']) => {
    const [, labels = ''] = new RegExp(`^${name}\\{(.*)\\} `, 'm').exec(exposition) ?? [];
    return {
      name,
      type,
      help,
      labels: [...labels.matchAll(/(\w+)="/g)].map(([, label = '']) => label),
    };
  });
}
