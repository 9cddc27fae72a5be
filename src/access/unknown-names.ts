// What the ledger keeps of a login name that nobody has, which is often a password typed into the wrong
// field: a hash under a key of the day, so that repeats can be counted. The key lives in memory only and is
// ratcheted forward at midnight (UTC), so yesterday's hashes can be tried against nothing any more. Addresses
// of peers that are refused before they are anybody are kept the same way.
// Source of truth: docs/security/sign-in.md; hash: docs/formats/leaf.md.
import { createHmac } from 'node:crypto';
import type { UnixMs } from '../kernel/time.ts';
import { unknownNameHash } from '../ledger/event/pseudonym.ts';

const dayMs = 86_400_000;
/** A clock that jumps further begins a chain of its own instead of walking there. */
const stepsMax = 4_000;

/** The key of a day, as it travels from the primary to its workers. */
export interface DayKey {
  /** Days since 1970-01-01. */
  readonly day: number;
  /** 32 bytes in base64. */
  readonly key: string;
}

/** One chain of day keys; all processes of a node start from the same link and stay equal. */
export class UnknownNames {
  #day: number;
  #key: Buffer;

  constructor(from: DayKey) {
    this.#day = from.day;
    this.#key = Buffer.from(from.key, 'base64');
  }

  /** A new chain from 32 random bytes. */
  static begin(random: Uint8Array, now: UnixMs): UnknownNames {
    const key = Buffer.from(random).toString('base64');
    return new UnknownNames({ day: Math.floor(now / dayMs), key });
  }

  /** 64 hex digits; equal names of one day are equal. */
  hash(name: string, now: UnixMs): string {
    this.#advance(now);
    return unknownNameHash(this.#key, name.toLowerCase());
  }

  /** Of a peer's address: 64 hex digits, equal on one day for one address. */
  addressHash(address: string, now: UnixMs): string {
    return this.hash(`address\0${address}`, now);
  }

  /** Today's link, for a process that starts now. */
  today(now: UnixMs): DayKey {
    this.#advance(now);
    return { day: this.#day, key: this.#key.toString('base64') };
  }

  #advance(now: UnixMs): void {
    const today = Math.floor(now / dayMs);
    // A clock set back finds no older key: there is none any more.
    if (today - this.#day > stepsMax) this.#day = today - stepsMax;
    while (this.#day < today) {
      const next = createHmac('sha256', this.#key).update('postseal/next-day', 'latin1').digest();
      this.#key.fill(0);
      this.#key = next;
      this.#day += 1;
    }
  }
}
