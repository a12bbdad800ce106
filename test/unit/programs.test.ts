import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Process } from '../../src/processes/process.ts';
import { createSelection } from '../../src/processes/selection.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import { createProgramsAnswer } from '../../src/web/programs.ts';
import { event, id } from '../support/facts.ts';

const programs = suite('programs');

/** web has two processes, of which one is FATAL; db:web runs; batch has ended as expected. */
const TABLE = new ProcessTable();
const EVENTS: readonly Parameters<typeof event>[] = [
  [0, 'web:web-0', 'STARTING>RUNNING', { pid: 7 }],
  [1, 'web:web-1', 'STARTING>BACKOFF', { tries: 3 }],
  [2, 'web:web-1', 'BACKOFF>FATAL'],
  [3, 'db:web', 'STARTING>RUNNING', { pid: 8 }],
  [4, 'batch', 'RUNNING>EXITED', { pid: 9, expected: true }],
];
for (const parameters of EVENTS) TABLE.apply(event(...parameters), 1_000 + parameters[0]);

const ANSWERS: readonly (readonly [query: string, status: number, text: RegExp])[] = [
  ['', 503, /^trouble\nweb:web-1 is FATAL, failed starts: 3/],
  ['?group=web', 503, /^trouble\nweb:web-1 is FATAL/],
  ['?group=db', 200, /^ok: 1 process, none in trouble\n$/],
  ['?group=db&group=batch', 200, /^ok: 2 processes/],
  ['?name=web', 200, /^ok: 1 process,/],
  ['?name=web:web-0', 200, /^ok: 1 process,/],
  ['?name=web-1', 503, /^trouble\n/],
  ['?group=db&name=web:web-1', 503, /^trouble\nweb:web-1/],
  ['?group=web&ignore=web-1', 200, /^ok: 1 process,/],
  ['?group=web&ignore=web:web-1&ignore=nothing', 200, /^ok: 1 process,/],
  ['?ignore=web-1', 200, /^ok: 3 processes/],
  ['?group=wep', 503, /^no match\nthere is no group "wep"\n$/],
  ['?name=web:web', 503, /^no match\nthere is no process "web:web"\n$/],
  ['?group=db&name=db', 503, /there is no process "db"/],
  ['?name=', 503, /there is no process ""/],
  ['?groups=web', 400, /^unknown parameter "groups"/],
];

for (const [query, status, text] of ANSWERS) {
  programs(`${query || 'a request without a query'} is answered ${status}`, async () => {
    const answer = await request(query);
    assert.is(answer.status, status);
    assert.match(answer.text, text);
  });
}

const SELECTED: readonly (readonly [query: string, status: number, text: RegExp])[] = [
  ['', 200, /^ok: 2 processes, none in trouble\n$/],
  ['?group=db', 200, /^ok: 1 process,/],
  ['?group=db&group=web', 503, /^no match\nthe flags of the exporter exclude group "web"\n$/],
  ['?name=web', 200, /^ok: 1 process,/],
  ['?name=web-1', 503, /^no match\nthe flags of the exporter exclude process "web-1"\n$/],
  ['?group=wep', 503, /^no match\nthere is no group "wep"\n$/],
];

for (const [query, status, text] of SELECTED) {
  programs(`with group web excluded, ${query || 'a request'} is answered ${status}`, async () => {
    const answer = await request(query, { selection: createSelection({ exclude: /^web:.*$/ }) });
    assert.is(answer.status, status);
    assert.match(answer.text, text);
  });
}

programs('JSON is sent where it is asked for, and leaves out what is not known', async () => {
  for (const [query, accept] of [
    ['?format=json', '*/*'],
    ['', 'application/json'],
  ] as const) {
    const { status, text } = await request(query, { accept });
    assert.is(status, 503);
    const { status: word, reasons, processes } = JSON.parse(text);
    assert.is(word, 'trouble');
    assert.is(reasons.length, 1);
    assert.is(processes.length, 4);
    assert.equal(processes[0], {
      group: 'web',
      name: 'web-0',
      state: 'RUNNING',
      since: 1_000,
      pid: 7,
      exits: 0,
      unexpectedExits: 0,
      backoffTries: 0,
    });
    const { lastTermination } = processes[3];
    assert.equal(lastTermination, {
      finishedAt: 1_004,
      pid: 9,
      expected: true,
      reason: 'reason not known yet',
    });
  }
  assert.match((await request('?format=text', { accept: 'application/json' })).text, /^trouble/);
});

programs('an unreported exit is trouble, and a kept log is in the JSON', async () => {
  const db = TABLE.get(id('db:web'));
  const isUnreported = (process: Readonly<Process>) => process === db;
  const { status, text } = await request('?group=db', { isUnreported });
  assert.is(status, 503);
  assert.match(text, /db:web is RUNNING, gone, but supervisord has not reported the exit\n$/);
  const logTailOf = () => ({ stream: 'stderr', text: 'out of cheese', at: 1_002 }) as const;
  const json = await request('?group=db&format=json', { isUnreported, logTailOf });
  const [process] = JSON.parse(json.text).processes;
  assert.is(process.trouble, 'unreported exit');
  assert.is(process.logTail, 'out of cheese');
  assert.is(process.logTailAt, 1_002, 'it may be of an earlier run than the last termination');
});

programs('a kept log of a process in trouble is in the text, and no other', async () => {
  const logTailOf = () => ({ stream: 'stderr', text: 'one\ntwo\n', at: 1_002 }) as const;
  const { text } = await request('?group=web', { logTailOf });
  assert.match(
    text,
    /^trouble\nweb:web-1 is FATAL.*\n\nend of the log of web:web-1, whose run ended at 1970-01-01T00:16:42\.000Z:\n {4}one\n {4}two\n$/,
  );
  assert.not.match((await request('?group=db', { logTailOf })).text, /end of the log/);
});

const FAILED = [
  ['Exited too quickly (process log may have details)', ', exit status 3'],
  ["can't find command '/x'", ''],
] as const;

for (const [spawnError, why] of FAILED) {
  programs(
    `the exit status of a run explains a failed start only if it was one: ${spawnError}`,
    async () => {
      const table = new ProcessTable();
      table.apply(event(0, 'web', 'RUNNING>EXITED', { expected: false }), 1_000);
      const run = table.get(id('web'))?.termination?.id ?? 0;
      const reason = { kind: 'exited', source: 'log', exitCode: 3 } as const;
      table.setTerminationFacts(id('web'), run, { reason });
      table.apply(event(1, 'web', 'EXITED>STARTING'), 1_001);
      table.apply(event(2, 'web', 'STARTING>BACKOFF', { tries: 1 }), 1_002);
      const failed = table.get(id('web'))?.failedStart?.id ?? 0;
      const facts =
        why === '' ? ({ reason: { kind: 'unknown' }, neverRan: true } as const) : { reason };
      table.setTerminationFacts(id('web'), failed, { ...facts, spawnError });
      const { text } = await request('', { table });
      assert.is(text, `trouble\nweb is BACKOFF, failed starts: 1, ${spawnError}${why}\n`);
    },
  );
}

programs('while the table is not complete the reason is given', async () => {
  const whyNotSynced = () => 'waiting for the first snapshot of supervisord';
  for (const query of ['', '?group=db', '?name=nothing']) {
    const { status, text } = await request(query, { whyNotSynced });
    assert.is(status, 503);
    assert.is(text, 'not synced\nwaiting for the first snapshot of supervisord\n');
  }
  const { text } = await request('?format=json', { whyNotSynced });
  assert.equal(JSON.parse(text), {
    status: 'not synced',
    reasons: ['waiting for the first snapshot of supervisord'],
    processes: [],
  });
});

programs('many requests at once are answered one after the other', async () => {
  const table = new ProcessTable();
  for (let nth = 0; nth < 500; nth++) {
    table.apply(event(nth, `many:many-${nth}`, 'STARTING>RUNNING', { pid: 7 }), 1_000);
  }
  /** Which request each process was looked at for. */
  const work: (string | undefined)[] = [];
  const logTailOf = (_process: Readonly<Process>, { url }: IncomingMessage) => {
    work.push(url);
    const end = performance.now() + 0.02;
    while (performance.now() < end);
    return undefined;
  };
  const numbers = Array.from({ length: 10 }, (_, number) => number);
  await serving({ table, logTailOf }, (url) =>
    Promise.all(numbers.map((number) => fetch(`${url}?ignore=${number}`))),
  );
  const turns = work.filter((url, at) => url !== work[at - 1]);
  assert.is(work.length, 5_000);
  assert.is(turns.length, numbers.length, turns.join(' '));
});

type Options = Partial<Parameters<typeof createProgramsAnswer>[0]>;

interface RequestOptions extends Options {
  readonly accept?: string;
}

function request(
  query: string,
  { accept = '*/*', ...options }: RequestOptions = {},
): Promise<{ readonly status: number; readonly text: string }> {
  return serving(options, async (url) => {
    const response = await fetch(`${url}${query}`, { headers: { accept } });
    return { status: response.status, text: await response.text() };
  });
}

async function serving<Result>(
  options: Options,
  act: (url: string) => Promise<Result>,
): Promise<Result> {
  const answer = createProgramsAnswer({ table: TABLE, whyNotSynced: () => undefined, ...options });
  const server = createServer((incoming, response) => void answer(incoming, response));
  try {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    return await act(`http://127.0.0.1:${port}/-/programs`);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

programs.run();
