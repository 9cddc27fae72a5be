// Counts failed sign-ins per name and per address; successful ones never count, since a mail
// client opens five connections at once (docs/security/sign-in.md). Time comes in as an argument.
import type { UnixMs } from '../kernel/time.ts';
import type { CredentialOwner } from './credential.store.ts';

/** What stands for an address at the Unix socket. */
export const localAddress = 'local';

export interface ThrottleRules {
  /** Failures of one name before it is locked. */
  readonly failuresPerName: number;
  readonly lockMs: number;
  /** Failures from one address inside `windowMs` before the address must wait. */
  readonly failuresPerAddress: number;
  readonly windowMs: number;
  /** Names and addresses remembered; the oldest are forgotten first. */
  readonly entriesMax: number;
}

export const throttleDefaults: ThrottleRules = {
  failuresPerName: 3,
  lockMs: 15 * 60_000,
  failuresPerAddress: 5,
  windowMs: 60_000,
  entriesMax: 100_000,
};

interface Entry {
  failures: number[];
  lockedUntil: number;
}

/** What counts for somebody who exists. */
export function throttleKey({ kind, id }: CredentialOwner): string {
  return `${kind}:${id}`;
}

/** One limiter of a node: `check` before the password is looked at, `failed` or `forget` after. */
export class SignInThrottle {
  readonly #rules: ThrottleRules;
  readonly #names = new Map<string, Entry>();
  readonly #addresses = new Map<string, Entry>();

  constructor(rules: ThrottleRules = throttleDefaults) {
    this.#rules = rules;
  }

  /** Milliseconds that this name or address must still wait; 0 when it may try. */
  check(nameKey: string, address: string, now: UnixMs): number {
    const byName = this.#names.get(nameKey)?.lockedUntil ?? 0;
    const byAddress = this.#addresses.get(address)?.lockedUntil ?? 0;
    return Math.max(0, Math.max(byName, byAddress) - now);
  }

  /** Counts a failure; true if it is the one that locks the name. */
  failed(nameKey: string, address: string, now: UnixMs): boolean {
    const { failuresPerName, lockMs, failuresPerAddress, windowMs } = this.#rules;
    const locked = this.#count(this.#names, nameKey, now, failuresPerName, lockMs, lockMs);
    // At the Unix socket everybody has one address: one person's mistakes must not stop another.
    if (address !== localAddress) {
      this.#count(this.#addresses, address, now, failuresPerAddress, windowMs, windowMs);
    }
    return locked;
  }

  /** Whether the name itself is locked, whatever its address. */
  isLocked(nameKey: string, now: UnixMs): boolean {
    return (this.#names.get(nameKey)?.lockedUntil ?? 0) > now;
  }

  /** A right password or an administrator forgives the name's failures, never the address's. */
  forget(nameKey: string): void {
    this.#names.delete(nameKey);
  }

  #count(
    map: Map<string, Entry>,
    key: string,
    now: UnixMs,
    max: number,
    windowMs: number,
    lockMs: number,
  ): boolean {
    const entry = map.get(key) ?? { failures: [], lockedUntil: 0 };
    entry.failures = entry.failures.filter((at) => at > now - windowMs);
    entry.failures.push(now);
    const locks = entry.failures.length >= max;
    if (locks) {
      entry.lockedUntil = now + lockMs;
      entry.failures = [];
    }
    map.delete(key);
    map.set(key, entry);
    const oldest = map.keys().next();
    if (map.size > this.#rules.entriesMax && oldest.done !== true) map.delete(oldest.value);
    return locks;
  }
}
