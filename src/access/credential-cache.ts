// Verified passwords, remembered for minutes, so that five connections of one mail client cost one
// argon2. Holds HMACs under a key made at start; a changed credential version misses by itself.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Secret } from '../kernel/secret.ts';
import type { UnixMs } from '../kernel/time.ts';

interface Entry {
  readonly mac: Buffer;
  readonly version: string;
  readonly until: number;
}

/** `version` is the stored hash: a new password has another one, so an old entry never fits. */
export class CredentialCache {
  readonly #key = randomBytes(32);
  readonly #entries = new Map<string, Entry>();
  readonly #lifeMs: number;
  readonly #entriesMax: number;

  constructor(lifeMs = 5 * 60_000, entriesMax = 200_000) {
    this.#lifeMs = lifeMs;
    this.#entriesMax = entriesMax;
  }

  has(owner: string, version: string, password: Secret, now: UnixMs): boolean {
    const entry = this.#entries.get(owner);
    if (entry === undefined || entry.until <= now || entry.version !== version) return false;
    return timingSafeEqual(entry.mac, this.#mac(owner, password));
  }

  put(owner: string, version: string, password: Secret, now: UnixMs): void {
    this.#entries.delete(owner);
    const oldest = this.#entries.keys().next();
    if (this.#entries.size >= this.#entriesMax && oldest.done !== true) {
      this.#entries.delete(oldest.value);
    }
    const mac = this.#mac(owner, password);
    this.#entries.set(owner, { mac, version, until: now + this.#lifeMs });
  }

  drop(owner: string): void {
    this.#entries.delete(owner);
  }

  #mac(owner: string, password: Secret): Buffer {
    return createHmac('sha256', this.#key)
      .update(owner)
      .update(Buffer.from([0]))
      .update(password.expose())
      .digest();
  }
}
