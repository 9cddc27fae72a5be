// How many sessions each account has in this process: a client gone wild takes its own share only.
import type { AccountId } from '../kernel/ids.ts';
import { ImapError } from './wire/imap-error.ts';

export class AccountSessions {
  readonly #max: number;
  readonly #open = new Map<AccountId, number>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Counts a session in; call what it returns when the session ends. @throws ImapError NO [LIMIT] */
  enter(account: AccountId): () => void {
    const held = this.#open.get(account) ?? 0;
    if (held >= this.#max) throw new ImapError('NO', 'LIMIT', 'Too many sessions');
    this.#open.set(account, held + 1);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      const rest = (this.#open.get(account) ?? 1) - 1;
      if (rest > 0) this.#open.set(account, rest);
      else this.#open.delete(account);
    };
  }
}
