/**
 * Whether a password is the user's. Known answers are given at once; the others wait for a
 * comparison, one at a time, in a short queue of which no single client gets all.
 */

import { createHash } from 'node:crypto';
import type { Credentials } from '../util/url.ts';
import { Verdicts } from './verdicts.ts';

/** `busy`: too many are waiting. `unavailable`: it could not be compared. */
export type Verdict = 'right' | 'wrong' | 'busy' | 'unavailable';

export interface Login {
  readonly credentials: Credentials;
  /** The address that it comes from. */
  readonly client: string;
  /** Whether somebody still waits for the verdict. */
  readonly isWanted: () => boolean;
}

export type Compare = (question: {
  readonly password: string;
  readonly hash: string;
}) => Promise<boolean>;

const MAX_WAITING = 16;
const MAX_WAITING_OF_CLIENT = 4;

interface Waiting {
  readonly login: Login;
  readonly key: string;
  readonly hash: string;
  readonly isKnown: boolean;
  readonly decide: (verdict: Verdict) => void;
}

export class Passwords {
  readonly #compare: Compare;
  readonly #verdicts = new Verdicts();
  readonly #queue: Waiting[] = [];
  #isComparing = false;

  constructor(compare: Compare) {
    this.#compare = compare;
  }

  /** `users` are the hashes by user. */
  check(users: ReadonlyMap<string, string>, login: Login): Verdict | Promise<Verdict> {
    const { username, password } = login.credentials;
    const known = users.get(username);
    const hash = known ?? standIn(username, users);
    const key = this.#verdicts.keyOf(username, hash, password);
    const verdict = this.#known(key);
    if (verdict !== undefined) return verdict;
    if (this.#isFullFor(login.client)) return 'busy';
    return new Promise((decide) => {
      this.#queue.push({ login, key, hash, isKnown: known !== undefined, decide });
      if (!this.#isComparing) void this.#work();
    });
  }

  #known(key: string): Verdict | undefined {
    const isRight = this.#verdicts.find(key);
    return isRight === undefined ? undefined : verdictOf(isRight);
  }

  #isFullFor(client: string): boolean {
    if (this.#queue.length >= MAX_WAITING) return true;
    const ofClient = this.#queue.filter(({ login }) => login.client === client);
    return ofClient.length >= MAX_WAITING_OF_CLIENT;
  }

  async #work(): Promise<void> {
    this.#isComparing = true;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      next.decide(await this.#judge(next));
    }
    this.#isComparing = false;
  }

  async #judge({ login, key, hash, isKnown }: Waiting): Promise<Verdict> {
    if (!login.isWanted()) return 'busy';
    // The one before may have asked the same.
    const verdict = this.#known(key);
    if (verdict !== undefined) return verdict;
    try {
      const isSame = await this.#compare({ password: login.credentials.password, hash });
      const isRight = isSame && isKnown;
      this.#verdicts.add(key, isRight);
      return verdictOf(isRight);
    } catch {
      return 'unavailable';
    }
  }
}

function verdictOf(isRight: boolean): Verdict {
  return isRight ? 'right' : 'wrong';
}

/** Any salt and digest: what a user who does not exist is compared with is never right. */
const NOBODYS = 'X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG';

/**
 * A hash for a user who does not exist, of the cost that one of those who do has, so that
 * the time it takes does not tell who does; always the same one for the same name.
 */
function standIn(username: string, users: ReadonlyMap<string, string>): string {
  const hashes = [...users.values()];
  const pick = createHash('sha256').update(username).digest().readUInt32BE() % hashes.length;
  const cost = hashes[pick]?.slice(0, '$2b$10$'.length) ?? '$2b$10$';
  return cost + NOBODYS;
}
