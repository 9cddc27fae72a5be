// Reads bodies by range through a small cache. A missing or shortened object is an integrity failure that
// names the place; a store that is away is `store.unreachable`, and nobody mistakes one for the other.
import { IntegrityError, PostsealError } from '../../kernel/errors.ts';
import type { PackId } from '../../kernel/ids.ts';
import { framePrefixBytes } from '../formats/pack.ts';
import type { PackRef } from '../packs/body-store.ts';
import type { PositionalReader } from '../packs/positional-reader.ts';
import { packKey } from './object-keys.ts';
import type { ObjectStore } from './object-store.ts';
import type { RangeCache } from './range-cache.ts';

export class ObjectReader {
  readonly #objects: ObjectStore;
  readonly #cache: RangeCache;
  /** Ranges that are on their way: who asks meanwhile waits for the same answer. */
  readonly #coming = new Map<string, Promise<Buffer>>();

  constructor(objects: ObjectStore, cache: RangeCache) {
    this.#objects = objects;
    this.#cache = cache;
  }

  /** Octets `from` to `to` of the payload at `ref`. */
  async read(ref: PackRef, from = 0, to = ref.length): Promise<Buffer> {
    if (from < 0 || to < from || to > ref.length) throw new RangeError('range outside the body');
    const start = ref.offset + framePrefixBytes;
    const name = rangeName(ref.pack, start + from, start + to);
    const kept = this.#cache.get(name);
    if (kept !== undefined) return kept;
    const coming =
      this.#coming.get(name) ??
      this.readAt(ref.pack, start + from, start + to).finally(() => this.#coming.delete(name));
    this.#coming.set(name, coming);
    const bytes = await coming;
    this.#cache.set(name, bytes);
    return bytes;
  }

  /** What was written a moment ago. */
  keep(ref: PackRef, payload: Uint8Array): void {
    const start = ref.offset + framePrefixBytes;
    this.#cache.set(rangeName(ref.pack, start, start + ref.length), Buffer.from(payload));
  }

  /** Bytes `from` to `to` of the object. */
  async readAt(pack: PackId, from: number, to: number): Promise<Buffer> {
    let bytes: Buffer;
    try {
      bytes = await this.#objects.get(packKey(pack), { from, to });
    } catch (error) {
      if (!(error instanceof PostsealError && error.code === 'store.object-missing')) throw error;
      throw new IntegrityError('integrity.pack', { pack, kind: 'missing' }, error);
    }
    if (bytes.length < to - from) {
      const offset = from + bytes.length;
      throw new IntegrityError('integrity.pack', { pack, offset, kind: 'truncated' });
    }
    return bytes;
  }

  /** Reader over a whole object, from the store itself; undefined if it is not there. */
  async whole(pack: PackId): Promise<PositionalReader | undefined> {
    const about = await this.#objects.about(packKey(pack));
    return about === undefined ? undefined : this.upTo(pack, about.bytes);
  }

  /** Reader over the first `length` bytes, whether they are there or not. */
  upTo(pack: PackId, length: number): PositionalReader {
    return { length, read: (from, to) => this.readAt(pack, from, to) };
  }
}

const rangeName = (pack: PackId, from: number, to: number): string => `${pack} ${from} ${to}`;
