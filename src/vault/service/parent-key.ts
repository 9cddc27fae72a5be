// A key that wraps others, with the wrapping keys derived from it so far: HKDF costs more than the wrap
// itself, so it runs once a parent and purpose (docs/formats/wrap.md).
import { assert } from '../../kernel/errors.ts';
import type { Purpose } from '../formats/purposes.ts';
import { deriveWrappingKey } from '../formats/wrap.ts';
import type { Destroyable } from './secret-cache.ts';

/** Objects, maps and buffers around 32 bytes of key, and room for a few derived ones. */
const bytesPerKey = 768;

export class ParentKey {
  readonly id: string;
  readonly version: number;
  readonly owner: string;
  readonly #key: Buffer;
  readonly #derived = new Map<Purpose, Uint8Array>();
  #destroyed = false;

  /** Takes over `key` (32 bytes). */
  constructor(owner: string, id: string, version: number, key: Buffer) {
    this.owner = owner;
    this.id = id;
    this.version = version;
    this.#key = key;
  }

  /** The wrapping key of a purpose; it is zeroed with this key. */
  wrapping(purpose: Purpose): Uint8Array {
    assert(!this.#destroyed, 'a key that was zeroed must not wrap');
    const known = this.#derived.get(purpose);
    if (known !== undefined) return known;
    const context = { purpose, custodianId: this.owner, parentVersion: this.version };
    const derived = deriveWrappingKey(this.#key, context);
    this.#derived.set(purpose, derived);
    return derived;
  }

  destroy(): void {
    this.#destroyed = true;
    this.#key.fill(0);
    for (const derived of this.#derived.values()) derived.fill(0);
    this.#derived.clear();
  }
}

/** All versions of one parent: the newest live one wraps, every one that is left opens. */
export class ParentKeys implements Destroyable {
  readonly #versions = new Map<number, ParentKey>();
  readonly #newest: ParentKey | undefined;
  readonly #highest: number;

  /** `ever`: the versions of all rows, destroyed ones too; without it those of `keys`. */
  constructor(
    keys: readonly { readonly key: ParentKey; readonly live: boolean }[],
    ever: readonly number[] = keys.map(({ key }) => key.version),
  ) {
    this.#highest = Math.max(0, ...ever);
    let newest: ParentKey | undefined;
    for (const { key, live } of keys) {
      this.#versions.set(key.version, key);
      if (live && key.version > (newest?.version ?? 0)) newest = key;
    }
    this.#newest = newest;
  }

  get bytes(): number {
    return (this.#versions.size + 1) * bytesPerKey;
  }

  /** The version that wraps; undefined when all were retired or destroyed. */
  get newest(): ParentKey | undefined {
    return this.#newest;
  }

  /** A version that opens; undefined when it never was or was destroyed. */
  version(version: number): ParentKey | undefined {
    return this.#versions.get(version);
  }

  /** True if the version was made once: a wrap of one that never was is forged, and nothing was erased. */
  everHad(version: number): boolean {
    return version > 0 && version <= this.#highest;
  }

  destroy(): void {
    for (const key of this.#versions.values()) key.destroy();
  }
}

/** Zeroes what was opened so far, when the rest of it does not open. */
export function destroyAll(keys: readonly { readonly key: ParentKey }[]): void {
  for (const { key } of keys) key.destroy();
}
