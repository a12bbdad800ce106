import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AuthCache } from '../../src/web-config/auth-cache.ts';
import { Authenticator, type LoginAttempt } from '../../src/web-config/authenticator.ts';
import { BcryptWorker } from '../../src/web-config/bcrypt-worker.ts';
import { readBasicAuthorization } from '../../src/web-config/middleware.ts';
import { eventually, timed, within } from '../support/deadline.ts';

const passwords = suite('passwords');

const SALTED = 'X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG';
const ALICE = `$2y$10$${SALTED}`;
const USERS = new Map([
  ['alice', ALICE],
  ['carol', `$2b$12$${SALTED}`],
]);

/** Comparisons that the test answers, in their order. */
class Comparisons {
  readonly asked: Array<{ password: string; hash: string }> = [];
  readonly #answers: Array<(isRight: boolean | Error) => void> = [];

  readonly compare = (question: { password: string; hash: string }): Promise<boolean> => {
    this.asked.push(question);
    return new Promise((resolve, reject) => {
      this.#answers.push((answer) => (answer instanceof Error ? reject(answer) : resolve(answer)));
    });
  };

  async answer(isRight: boolean | Error): Promise<void> {
    const answer = await eventually(
      1_000,
      () => {
        const next = this.#answers.shift();
        if (next === undefined) throw new Error('nothing is being compared');
        return next;
      },
      1,
    );
    answer(isRight);
  }
}

function begin() {
  const comparisons = new Comparisons();
  return { comparisons, checked: new Authenticator(comparisons.compare) };
}

function login(
  user: string,
  password: string,
  client = 'here',
  isClientConnected = () => true,
): LoginAttempt {
  return { credentials: { username: user, password }, client, isClientConnected };
}

passwords(
  'a right password is compared once, and known from then on',
  timed(5_000, async () => {
    const { comparisons, checked } = begin();
    const first = checked.check(USERS, login('alice', 'secret'));
    await comparisons.answer(true);
    assert.is(await first, 'right');
    assert.is(checked.check(USERS, login('alice', 'secret')), 'right');
    assert.equal(comparisons.asked, [{ password: 'secret', hash: ALICE }]);
  }),
);

passwords(
  'a wrong password is compared once as well',
  timed(5_000, async () => {
    const { comparisons, checked } = begin();
    const first = checked.check(USERS, login('alice', 'guess'));
    await comparisons.answer(false);
    assert.is(await first, 'wrong');
    assert.is(checked.check(USERS, login('alice', 'guess')), 'wrong');
  }),
);

passwords(
  'a new hash makes an old password wrong',
  timed(5_000, async () => {
    const { comparisons, checked } = begin();
    const first = checked.check(USERS, login('alice', 'secret'));
    await comparisons.answer(true);
    await first;
    const second = checked.check(
      new Map([['alice', `$2y$11$${SALTED}`]]),
      login('alice', 'secret'),
    );
    await comparisons.answer(false);
    assert.is(await second, 'wrong');
    assert.is(comparisons.asked[1]?.hash.slice(0, 7), '$2y$11$');
  }),
);

passwords(
  'an unknown user is compared with a dummy hash of the cost of a known one and is always wrong',
  timed(5_000, async () => {
    const { comparisons, checked } = begin();
    for (let number = 0; number < 20; number++) {
      const verdict = checked.check(USERS, login(`stranger${number}`, 'fakepassword'));
      await comparisons.answer(true);
      assert.is(await verdict, 'wrong');
    }
    const costs = new Set(comparisons.asked.map(({ hash }) => hash.slice(4, 6)));
    assert.equal([...costs].sort(), ['10', '12']);
    for (const name of ['constructor', '__proto__', 'toString', '']) {
      const verdict = checked.check(USERS, login(name, 'x'));
      await comparisons.answer(true);
      assert.is(await verdict, 'wrong', name);
    }
  }),
);

passwords(
  'the queue has four places for one client and sixteen for all; further attempts are refused at once',
  timed(5_000, async () => {
    const { comparisons, checked } = begin();
    const ask = (number: number, client: string) =>
      checked.check(USERS, login('alice', `${client} ${number}`, client));
    // The first is being compared and does not wait.
    const ofFlood = [0, 1, 2, 3, 4, 5, 6].map((number) => ask(number, 'flood'));
    assert.equal(ofFlood.slice(5), ['busy', 'busy']);
    const ofOthers = Array.from({ length: 14 }, (_, number) => ask(0, `other ${number}`));
    assert.equal(ofOthers.slice(12), ['busy', 'busy']);
    for (const verdict of [...ofFlood.slice(0, 5), ...ofOthers.slice(0, 12)]) {
      await comparisons.answer(false);
      assert.is(await verdict, 'wrong');
    }
    assert.is(comparisons.asked.length, 17);
  }),
);

passwords(
  'the same attempt made again while the first waits is compared once',
  timed(5_000, async () => {
    const { comparisons, checked } = begin();
    const verdicts = [1, 2, 3].map(() => checked.check(USERS, login('alice', 'secret')));
    await comparisons.answer(true);
    assert.equal(await Promise.all(verdicts), ['right', 'right', 'right']);
    assert.is(comparisons.asked.length, 1);
  }),
);

passwords(
  'a cached right password is accepted while the queue is full',
  timed(5_000, async () => {
    const { comparisons, checked } = begin();
    const first = checked.check(USERS, login('alice', 'secret'));
    await comparisons.answer(true);
    await first;
    for (let number = 0; number < 30; number++) {
      void checked.check(USERS, login('alice', `guess${number}`));
    }
    assert.is(checked.check(USERS, login('alice', 'secret')), 'right');
  }),
);

passwords(
  'an attempt whose client has disconnected is not compared',
  timed(5_000, async () => {
    const { comparisons, checked } = begin();
    let isThere = true;
    const first = checked.check(USERS, login('alice', 'a'));
    const gone = checked.check(
      USERS,
      login('alice', 'b', 'here', () => isThere),
    );
    const last = checked.check(USERS, login('alice', 'c'));
    isThere = false;
    await comparisons.answer(false);
    await comparisons.answer(true);
    assert.equal(await Promise.all([first, gone, last]), ['wrong', 'busy', 'right']);
    assert.equal(
      comparisons.asked.map(({ password }) => password),
      ['a', 'c'],
    );
  }),
);

passwords(
  'a failed comparison admits no client and is not cached',
  timed(5_000, async () => {
    const { comparisons, checked } = begin();
    const first = checked.check(USERS, login('alice', 'secret'));
    await comparisons.answer(new Error('dead'));
    assert.is(await first, 'unavailable');
    const second = checked.check(USERS, login('alice', 'secret'));
    await comparisons.answer(true);
    assert.is(await second, 'right');
  }),
);

passwords(
  'the cache keeps a hundred results of each kind, and wrong ones never evict right ones',
  () => {
    const verdicts = new AuthCache();
    const keys = Array.from({ length: 101 }, (_, number) =>
      verdicts.keyOf('u', ALICE, `${number}`),
    );
    verdicts.add('the right one', true);
    for (const key of keys) verdicts.add(key, false);
    assert.is(verdicts.find('the right one'), true);
    assert.is(verdicts.find(keys[0] ?? ''), undefined);
    assert.is(verdicts.find(keys[1] ?? ''), false);
    assert.is(verdicts.find(keys[100] ?? ''), false);
  },
);

passwords('cache keys contain no password, differ between caches, and are unambiguous', () => {
  const verdicts = new AuthCache();
  const key = verdicts.keyOf('alice', ALICE, 'secret');
  assert.not.match(key, 'secret');
  assert.is(key, verdicts.keyOf('alice', ALICE, 'secret'));
  assert.is.not(key, new AuthCache().keyOf('alice', ALICE, 'secret'));
  assert.is.not(verdicts.keyOf('a', 'b', 'c,d'), verdicts.keyOf('a', 'b,c', 'd'));
});

const HEADERS: ReadonlyArray<
  readonly [header: string | undefined, user: string | undefined, password?: string]
> = [
  [`Basic ${btoa('alice:secret')}`, 'alice', 'secret'],
  [`basic   ${btoa('alice:se:cr:et')}`, 'alice', 'se:cr:et'],
  [`Basic ${Buffer.from('zoë:pässword').toString('base64')}`, 'zoë', 'pässword'],
  [`Basic ${btoa(':')}`, '', ''],
  [undefined, undefined],
  ['', undefined],
  ['Basic', undefined],
  [`Basic ${btoa('alice')}`, undefined],
  [`Bearer ${btoa('alice:secret')}`, undefined],
  ['Basic ????', undefined],
];

for (const [header, username, password] of HEADERS) {
  passwords(
    `Authorization: ${header} is ${username === undefined ? 'no credentials' : `${username}, ${password}`}`,
    () => {
      assert.equal(
        readBasicAuthorization(header),
        username === undefined ? undefined : { username, password },
      );
    },
  );
}

/** Threads in place of the real one, which the built program is tested with. */
const FAITHFUL = `const { parentPort } = require('node:worker_threads');
parentPort.on('message', ({ password }) => {
  if (password === 'die') process.exit(3);
  if (password === 'throw') throw new Error('broken');
  require('node:fs').writeSync(2, '');
  console.log('noise');
  parentPort.postMessage(password === 'right');
});`;

for (const [way, reason] of [
  ['die', /exited/],
  ['throw', /broken/],
] as const) {
  passwords(
    `a thread that exits by ${way} fails its comparison and is restarted`,
    timed(10_000, async () => {
      const deaths: string[] = [];
      const ending = new AbortController();
      const worker = new BcryptWorker({
        onExit: (death) => deaths.push(death),
        signal: ending.signal,
        source: FAITHFUL,
      });
      const compare = (password: string) =>
        within(5_000, password, worker.compare({ password, hash: ALICE }));
      try {
        assert.is(await compare('right'), true);
        assert.is(await compare('wrong'), false);
        assert.match(String(await compare(way).catch((error) => error)), reason);
        assert.is(deaths.length, 1);
        assert.match(deaths[0] ?? '', reason);
        await eventually(5_000, async () => assert.is(await compare('right'), true), 50);
      } finally {
        ending.abort();
      }
    }),
  );
}

passwords(
  'a thread that exits at once is restarted at most once a second',
  timed(10_000, async () => {
    let deaths = 0;
    const { signal } = new AbortController();
    const worker = new BcryptWorker({ onExit: () => deaths++, signal, source: 'process.exit(1)' });
    const answers: string[] = [];
    for (let number = 0; number < 50; number++) {
      answers.push(
        await worker.compare({ password: 'right', hash: ALICE }).then(
          () => 'right',
          () => 'failed',
        ),
      );
    }
    assert.equal(new Set(answers), new Set(['failed']));
    assert.ok(deaths <= 2, `${deaths}`);
  }),
);

passwords.run();
