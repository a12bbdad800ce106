import { mock } from 'node:test';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Change, ChangeFeed } from '../../src/processes/changes.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import { SettingsFetcher } from '../../src/resync/settings.ts';
import type { RpcClient } from '../../src/rpc/client.ts';
import { RpcError, type RpcErrorCode } from '../../src/util/errors.ts';
import type { Logger } from '../../src/util/log.ts';
import { event, id } from '../support/facts.ts';

const fetcher = suite('settings fetcher');

fetcher.before.each(() => mock.timers.enable({ apis: ['setTimeout'] }));
fetcher.after.each(() => {
  mock.timers.reset();
  mock.restoreAll();
});

const SETTINGS = { autostart: true, startRetries: 3, stopWaitSeconds: 10, exitCodes: [0] };

/** supervisord at the other end: the test answers its calls. */
class World {
  readonly lifetime = new AbortController();
  readonly table = new ProcessTable();
  readonly published: Change[] = [];
  readonly logged: string[] = [];
  /** The calls that were made, except those that ask whether supervisord answers. */
  readonly calls: string[] = [];
  /** The timeout of the last one. */
  timeoutMs: number | undefined;
  /** The answers of the next calls that ask whether supervisord answers; true after the last. */
  readonly isAnswering: boolean[] = [];
  readonly #changes = new ChangeFeed();
  #answer: { resolve: (entries: unknown) => void; reject: (error: Error) => void } | undefined;
  #now = 0;
  #serial = 0;

  constructor() {
    mock.method(performance, 'now', () => this.#now);
    const client: Pick<RpcClient, 'timeoutMs' | 'isAnswering' | 'call'> = {
      timeoutMs: 5_000,
      isAnswering: async () => this.isAnswering.shift() ?? true,
      call: (methodName, params, timeout) => {
        this.calls.push(`${methodName}(${params.join()})`);
        this.timeoutMs = timeout?.ms;
        return new Promise((resolve, reject) => {
          this.#answer = { resolve, reject };
        });
      },
    };
    const log: Logger = {
      debug: undefined,
      info: (text, fields) => this.logged.push(`info: ${text}: ${fields?.['reason']}`),
      warn: (text, fields) => this.logged.push(`warn: ${text}: ${fields?.['reason']}`),
      error: assert.unreachable,
    };
    const { table, lifetime } = this;
    this.#changes.subscribe((change) => this.published.push(change));
    new SettingsFetcher({
      client: client as RpcClient,
      table,
      changes: this.#changes,
      log,
      signal: lifetime.signal,
    });
  }

  get fetches(): number {
    return this.calls.length;
  }

  transition(name: string, transition: string): void {
    this.#changes.publish(this.table.apply(event(this.#serial++, name, transition), 1));
  }

  add(name: string): void {
    this.transition(name, 'STOPPED>STARTING');
  }

  async pass(ms: number): Promise<void> {
    await settle();
    for (let passed = 0; passed < ms; passed += 10) {
      this.#now += 10;
      mock.timers.tick(10);
      await settle();
    }
  }

  async answer(...names: readonly string[]): Promise<void> {
    const { autostart, startRetries, stopWaitSeconds, exitCodes } = SETTINGS;
    const settings = {
      autostart,
      startretries: startRetries,
      stopwaitsecs: stopWaitSeconds,
      exitcodes: exitCodes,
    };
    this.#answer?.resolve(names.map((name) => ({ ...id(name), ...settings })));
    this.#answer = undefined;
    await settle();
  }

  async fail(code: RpcErrorCode): Promise<void> {
    this.#answer?.reject(new RpcError(code, `failed by ${code}`));
    this.#answer = undefined;
    await settle();
  }
}

/** Promises run before anything else does. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function story(title: string, tell: (world: World) => Promise<void>): void {
  fetcher(title, async () => {
    const world = new World();
    try {
      await tell(world);
    } finally {
      world.lifetime.abort();
    }
  });
}

story('processes that are added together are served by one call, a moment later', async (world) => {
  world.add('cat');
  world.add('dog');
  await world.pass(40);
  assert.is(world.fetches, 0);
  await world.pass(10);
  assert.equal(world.calls, ['supervisor.getAllConfigInfo()']);
  assert.is(world.timeoutMs, 5_000);
  world.published.length = 0;
  await world.answer('cat', 'dog', 'gone');
  assert.equal(world.table.get(id('cat'))?.settings, SETTINGS);
  assert.equal(world.table.get(id('dog'))?.settings, SETTINGS);
  assert.equal(
    world.published.map(({ kind }) => kind),
    ['updated', 'updated'],
  );
  await world.pass(2_000);
  assert.is(world.fetches, 1);
  assert.equal(world.logged, []);
});

story('a process that is added during a call leads to one more', async (world) => {
  world.add('cat');
  await world.pass(50);
  world.add('dog');
  world.add('cow');
  await world.pass(1_000);
  assert.is(world.fetches, 1);
  await world.answer('cat');
  await world.pass(60_000);
  assert.is(world.fetches, 2);
  await world.answer('cat', 'dog', 'cow');
  await world.pass(60_000);
  assert.is(world.fetches, 2);
});

story('supervisord is given more time for more processes', async (world) => {
  for (let index = 0; index < 4_000; index++) world.add(`web${index}`);
  await world.pass(50);
  assert.ok((world.timeoutMs ?? 0) > 10_000, `${world.timeoutMs} ms`);
});

story('a change of a known process leads to no call', async (world) => {
  world.add('cat');
  await world.pass(50);
  await world.answer('cat');
  world.transition('cat', 'STARTING>RUNNING');
  await world.pass(60_000);
  assert.is(world.fetches, 1);
});

story('calls take a twentieth of the time of supervisord', async (world) => {
  world.add('cat');
  await world.pass(50);
  await world.pass(100);
  await world.answer('cat');
  world.add('dog');
  await world.pass(1_900);
  assert.is(world.fetches, 1);
  await world.pass(100);
  assert.is(world.fetches, 2);
});

story('a call that fails is repeated after a growing delay, and logged once', async (world) => {
  world.add('cat');
  await world.pass(50);
  for (const [failures, delay] of [1_000, 2_000, 4_000].entries()) {
    await world.fail('ERR_RPC_TIMEOUT');
    await world.pass(delay - 10);
    assert.is(world.fetches, 1 + failures, `waits ${delay} ms`);
    await world.pass(10);
    assert.is(world.fetches, 2 + failures, `after ${delay} ms`);
  }
  await world.answer('cat');
  assert.equal(world.logged, [
    'info: settings of processes are not known yet: failed by ERR_RPC_TIMEOUT',
  ]);
  world.add('dog');
  await world.pass(50);
  assert.is(world.fetches, 5);
  await world.fail('ERR_RPC_UNREACHABLE');
  await world.pass(1_000);
  assert.is(world.fetches, 6, 'the delay begins at 1 s again');
  assert.is(world.logged.length, 2);
});

for (const code of [
  'ERR_RPC_HTTP_STATUS',
  'ERR_RPC_FAULT',
  'ERR_RPC_NOT_XML_RPC',
  'ERR_RPC_UNEXPECTED_VALUE',
] as const) {
  story(`a call that supervisord cannot answer is not repeated: ${code}`, async (world) => {
    world.add('cat');
    await world.pass(50);
    await world.fail(code);
    assert.equal(world.logged, [
      `warn: settings of processes are unknown: supervisord cannot report its configuration; this call is not repeated: failed by ${code}`,
    ]);
    world.add('dog');
    await world.pass(60_000);
    assert.is(world.fetches, 1);
    assert.is(world.logged.length, 1);
  });
}

for (const [when, answers] of [
  ['before', [false]],
  ['after', [true, false]],
] as const) {
  story(
    `a call is repeated where supervisord answers no other one ${when} it either`,
    async (world) => {
      world.isAnswering.push(...answers);
      world.add('cat');
      await world.pass(50);
      await world.fail('ERR_RPC_HTTP_STATUS');
      await world.pass(1_000);
      assert.is(world.fetches, 2);
      await world.answer('cat');
      assert.equal(world.table.get(id('cat'))?.settings, SETTINGS);
    },
  );
}

story('after the abort nothing is fetched', async (world) => {
  world.add('cat');
  world.lifetime.abort();
  await world.pass(1_000);
  assert.is(world.fetches, 0);
});

story('a call that ends after the abort is not repeated', async (world) => {
  world.add('cat');
  await world.pass(50);
  world.lifetime.abort();
  await world.fail('ERR_RPC_UNREACHABLE');
  await world.pass(2_000);
  assert.is(world.fetches, 1);
});

fetcher.run();
