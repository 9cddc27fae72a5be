// Reads ranges of one sealed body: header and index first, then only the chunks of the range, at most a
// megabyte at a time. What is small is read and opened at once.
import { createHash, hash } from 'node:crypto';
import type { ContentId } from '../kernel/ids.ts';
import { bodyChunkBytes } from '../kernel/limits.ts';
import {
  bodyEndBytes,
  chunksOfRange,
  openBodyChunk,
  openBodyMap,
} from '../vault/formats/body-index.ts';
import { bodyHeaderBytes } from '../vault/formats/body-header.ts';
import { IntegrityError } from '../kernel/errors.ts';
import type { BodyStore } from '../vault/packs/body-store.ts';
import type { ContentRow } from './record-rows.store.ts';
import type { BodyReader } from './types.ts';

type BodyMap = ReturnType<typeof openBodyMap>;

/** Up to this many sealed octets the whole body is read at once. */
const wholeBytes = 131_072;
const tailBytes = 4_096;
/** Up to this many octets all of a body is opened and compared before any of it is given. */
const comparedBytes = 262_144;
const stepBytes = 16 * bodyChunkBytes;

export interface BodyProof {
  /** Taken over and zeroed. */
  readonly dek: Buffer;
  /** SHA-256 of the bytes, of the record's own metadata; undefined for a record that has none. */
  readonly digest: Uint8Array | undefined;
}

/** Opens header and index. @throws IntegrityError. */
export async function openBodyReader(
  store: BodyStore,
  row: ContentRow,
  { dek, digest }: BodyProof,
): Promise<BodyReader> {
  const { place, contentId } = row;
  try {
    const whole = place.length <= wholeBytes ? await store.read(place) : undefined;
    const read = async (from: number, to: number): Promise<Buffer> =>
      whole?.subarray(from, to) ?? store.read(place, from, to);
    const head = await read(0, Math.min(bodyHeaderBytes, place.length));
    let end = await read(Math.max(0, place.length - tailBytes), place.length);
    const need = bodyEndBytes(end, place.length);
    if (need > end.length) end = await read(place.length - need, place.length);
    const map = openBodyMap(dek, contentId, place.length, { head, end });
    if (map.plainLength !== row.size) {
      throw new IntegrityError('integrity.pack', { content: contentId, what: 'size' });
    }
    const proof = digest === undefined ? undefined : new OriginalCheck(contentId, digest);
    return new RangeReader(map, read, proof);
  } finally {
    dek.fill(0);
  }
}

class RangeReader implements BodyReader {
  readonly size: number;
  readonly #map: BodyMap;
  readonly #read: (from: number, to: number) => Promise<Buffer>;
  readonly #proof: OriginalCheck | undefined;
  /** The whole of a small body, once it was compared. */
  #plain: Buffer | undefined;

  constructor(
    map: BodyMap,
    read: (from: number, to: number) => Promise<Buffer>,
    proof: OriginalCheck | undefined,
  ) {
    this.size = map.plainLength;
    this.#map = map;
    this.#read = read;
    this.#proof = proof;
  }

  async read(from: number, to: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for await (const piece of this.stream(from, to)) pieces.push(piece);
    const [only] = pieces;
    return pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces);
  }

  async *stream(from = 0, to = this.size): AsyncGenerator<Buffer> {
    const start = Math.max(0, from);
    const end = Math.min(to, this.size);
    if (this.#proof === undefined) yield* this.#range(start, end);
    else if (this.size <= comparedBytes)
      yield (await this.#whole(this.#proof)).subarray(start, end);
    else if (start === 0 && end === this.size) yield* this.#compared(this.#proof);
    else yield* this.#range(start, end);
  }

  async *#range(from: number, to: number): AsyncGenerator<Buffer> {
    for (let at = from; at < to;) {
      const next = Math.min(to, (Math.floor(at / stepBytes) + 1) * stepBytes);
      yield* await this.#step(at, next);
      at = next;
    }
  }

  async #whole(proof: OriginalCheck): Promise<Buffer> {
    if (this.#plain === undefined) {
      const pieces: Buffer[] = [];
      for await (const piece of this.#range(0, this.size)) pieces.push(piece);
      const [only] = pieces;
      const plain = pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces);
      proof.compare(hash('sha256', plain, 'buffer'));
      this.#plain = plain;
    }
    return this.#plain;
  }

  /** The last piece is held back until all of them were compared: no reader has the whole of a wrong body. */
  async *#compared(proof: OriginalCheck): AsyncGenerator<Buffer> {
    const sum = createHash('sha256');
    let held: Buffer | undefined;
    for await (const piece of this.#range(0, this.size)) {
      sum.update(piece);
      if (held !== undefined) yield held;
      held = piece;
    }
    proof.compare(sum.digest());
    if (held !== undefined) yield held;
  }

  close(): void {
    this.#map.keys.chunkKey.fill(0);
    this.#plain = undefined;
  }

  async #step(from: number, to: number): Promise<Buffer[]> {
    const chunks = chunksOfRange(this.#map, from, to);
    const first = chunks[0];
    const last = chunks.at(-1);
    if (first === undefined || last === undefined) return [];
    const sealed = await this.#read(first.offset, last.offset + last.sealedLength);
    return chunks.map((chunk) => {
      const at = chunk.offset - first.offset;
      const plain = openBodyChunk(this.#map, chunk, sealed.subarray(at, at + chunk.sealedLength));
      const start = Math.max(0, from - chunk.plainFrom);
      const stop = Math.min(plain.length, to - chunk.plainFrom);
      return Buffer.from(plain.buffer, plain.byteOffset + start, stop - start);
    });
  }
}

/** Holds the bytes against the record's own metadata: whoever pointed a row elsewhere is found out. */
class OriginalCheck {
  readonly #contentId: ContentId;
  readonly #digest: Uint8Array;

  constructor(contentId: ContentId, digest: Uint8Array) {
    this.#contentId = contentId;
    this.#digest = digest;
  }

  /** @throws IntegrityError `integrity.tag`. */
  compare(found: Buffer): void {
    if (found.equals(this.#digest)) return;
    throw new IntegrityError('integrity.tag', { content: this.#contentId, what: 'original' });
  }
}
