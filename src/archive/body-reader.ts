// Reads ranges of one sealed body: header and index first, then only the chunks of the range, at most a
// megabyte at a time. What is small is read and opened at once.
import { bodyChunkBytes } from '../kernel/limits.ts';
import {
  bodyEndBytes,
  chunksOfRange,
  openBodyChunk,
  openBodyMap,
} from '../vault/formats/body-index.ts';
import { type BodyForm, bodyHeaderBytes } from '../vault/formats/body-header.ts';
import type { BodyStore } from '../vault/packs/body-store.ts';
import type { ContentRow } from './record-rows.store.ts';
import type { BodyReader } from './types.ts';

type BodyMap = ReturnType<typeof openBodyMap>;

/** Up to this many sealed octets the whole body is read at once. */
const wholeBytes = 131_072;
const tailBytes = 4_096;
const stepBytes = 16 * bodyChunkBytes;

/** A reader of a body's plaintext: the octets of a content, or a recipe of them. */
export interface OpenedBody {
  readonly form: BodyForm;
  readonly reader: BodyReader;
}

/** Opens header and index. Takes over `dek`, which is zeroed. @throws IntegrityError. */
export async function openBodyReader(
  store: BodyStore,
  row: Pick<ContentRow, 'place' | 'contentId'>,
  dek: Buffer,
): Promise<OpenedBody> {
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
    return { form: map.keys.form, reader: new RangeReader(map, read) };
  } finally {
    dek.fill(0);
  }
}

class RangeReader implements BodyReader {
  readonly size: number;
  readonly #map: BodyMap;
  readonly #read: (from: number, to: number) => Promise<Buffer>;

  constructor(map: BodyMap, read: (from: number, to: number) => Promise<Buffer>) {
    this.size = map.plainLength;
    this.#map = map;
    this.#read = read;
  }

  async read(from: number, to: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for await (const piece of this.stream(from, to)) pieces.push(piece);
    const [only] = pieces;
    return pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces);
  }

  async *stream(from = 0, to = this.size): AsyncGenerator<Buffer> {
    const end = Math.min(to, this.size);
    for (let at = Math.max(0, from); at < end;) {
      const next = Math.min(end, (Math.floor(at / stepBytes) + 1) * stepBytes);
      yield* await this.#step(at, next);
      at = next;
    }
  }

  close(): void {
    this.#map.keys.chunkKey.fill(0);
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
