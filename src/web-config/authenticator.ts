/**
 * Checks passwords. Cached results are returned at once; other passwords wait for a comparison, one
 * at a time, in a short queue that a single client cannot fill.
 */

import { createHash } from 'node:crypto';
import type { Credentials } from '../util/url.ts';
import { AuthCache } from './auth-cache.ts';
import type { Comparison } from './worker.ts';

/** `busy`: the queue is full. `unavailable`: the comparison failed. */
export type Verdict = 'right' | 'wrong' | 'busy' | 'unavailable';

export interface LoginAttempt {
  readonly credentials: Credentials;
  /** Its address. */
  readonly client: string;
  readonly isClientConnected: () => boolean;
}

export type Compare = (comparison: Comparison) => Promise<boolean>;

const MAX_WAITING = 16;
const MAX_WAITING_OF_CLIENT = 4;

interface Waiting {
  readonly login: LoginAttempt;
  readonly key: string;
  readonly hash: string;
  readonly isKnownUser: boolean;
  readonly decide: (verdict: Verdict) => void;
}

export class Authenticator {
  readonly #compare: Compare;
  readonly #cache = new AuthCache();
  readonly #queue: Waiting[] = [];
  #isComparing = false;

  constructor(compare: Compare) {
    this.#compare = compare;
  }

  /** `users`: the hashes by user name. */
  check(users: ReadonlyMap<string, string>, login: LoginAttempt): Verdict | Promise<Verdict> {
    const { username, password } = login.credentials;
    const known = users.get(username);
    const hash = known ?? dummyHash(username, users);
    const key = this.#cache.keyOf(username, hash, password);
    const verdict = this.#cached(key);
    if (verdict !== undefined) return verdict;
    if (this.#isFullFor(login.client)) return 'busy';
    return new Promise((decide) => {
      this.#queue.push({ login, key, hash, isKnownUser: known !== undefined, decide });
      if (!this.#isComparing) void this.#compareQueue();
    });
  }

  #cached(key: string): Verdict | undefined {
    const isRight = this.#cache.find(key);
    return isRight === undefined ? undefined : verdictOf(isRight);
  }

  #isFullFor(client: string): boolean {
    if (this.#queue.length >= MAX_WAITING) return true;
    const ofClient = this.#queue.filter(({ login }) => login.client === client);
    return ofClient.length >= MAX_WAITING_OF_CLIENT;
  }

  async #compareQueue(): Promise<void> {
    this.#isComparing = true;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      next.decide(await this.#compareOne(next));
    }
    this.#isComparing = false;
  }

  async #compareOne({ login, key, hash, isKnownUser }: Waiting): Promise<Verdict> {
    if (!login.isClientConnected()) return 'busy';
    // The previous comparison may have been the same.
    const verdict = this.#cached(key);
    if (verdict !== undefined) return verdict;
    try {
      const isSame = await this.#compare({ password: login.credentials.password, hash });
      const isRight = isSame && isKnownUser;
      this.#cache.add(key, isRight);
      return verdictOf(isRight);
    } catch {
      return 'unavailable';
    }
  }
}

function verdictOf(isRight: boolean): Verdict {
  return isRight ? 'right' : 'wrong';
}

/** Any salt and digest: the result of a comparison with it is ignored. */
const DUMMY_SALT = 'X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG';

/**
 * A hash for an unknown user, with the cost of one of the known users, so that the time of the
 * comparison does not reveal which users exist. It is always the same for the same name.
 */
function dummyHash(username: string, users: ReadonlyMap<string, string>): string {
  const hashes = [...users.values()];
  const pick = createHash('sha256').update(username).digest().readUInt32BE() % hashes.length;
  const cost = hashes[pick]?.slice(0, '$2b$10$'.length) ?? '$2b$10$';
  return cost + DUMMY_SALT;
}
