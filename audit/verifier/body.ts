// A sealed body, opened chunk by chunk (docs/formats/body.md). Nothing of a chunk is handed on before its
// tag is checked.
import { createDecipheriv, hkdfSync, timingSafeEqual } from 'node:crypto';
import { openSealed, tagBytes } from './aead.ts';
import { loadBlock } from './block.ts';
import type { ByteSource } from './byte-source.ts';
import { idBytes } from './key-chain.ts';
import { Refused } from './refused.ts';

const headerBytes = 56;
const committedBytes = 24;
const smallestBytes = 84;
const chunkBytes = 65_536;
const longestMessage = 2 ** 40;
const label = Buffer.from('postseal/body/1', 'ascii');

const refuse = (what: string): Refused => new Refused('body', 'format', what);

interface Chunk {
  /** Of the sealed chunk in the body. */
  readonly at: number;
  readonly stored: number;
  readonly plain: number;
}

export interface OpenedBody {
  /** Octets of what is inside. */
  readonly size: number;
  /** What is inside is a recipe of the message (docs/formats/recipe.md), not its octets. */
  readonly recipe: boolean;
  /** What is inside, in order; can be walked again. */
  chunks(): Generator<Buffer>;
  /** Zeroes the key. */
  close(): void;
}

function checkHeader(header: Buffer, content: string): void {
  if (header.toString('latin1', 0, 4) !== 'PSBD') throw refuse('magic');
  if (header[4] !== 1 && header[4] !== 2) throw refuse('version');
  if (header[5] !== 1) throw refuse('suite');
  if ((header[6] ?? 2) > 1) throw refuse('codec');
  if (header[7] !== 16) throw refuse('chunk size');
  if (!header.subarray(8, committedBytes).equals(idBytes(content))) {
    throw new Refused('body', 'identity', 'another content');
  }
}

class Chunks {
  readonly #header: Buffer;
  readonly #key: Buffer;

  constructor(header: Buffer, dek: Buffer) {
    const derived = Buffer.from(
      hkdfSync('sha256', dek, header.subarray(0, committedBytes), label, 64),
    );
    this.#header = header;
    this.#key = derived.subarray(0, 32);
    if (!timingSafeEqual(derived.subarray(32), header.subarray(committedBytes))) {
      throw new Refused('body', 'commitment', 'key commitment');
    }
  }

  get compressed(): boolean {
    return this.#header[6] === 1;
  }

  open(counter: number, last: boolean, sealed: Buffer): Buffer {
    const nonce = Buffer.alloc(12);
    nonce.writeUInt32BE(counter, 7);
    nonce[11] = last ? 1 : 0;
    const options = { authTagLength: tagBytes } as const;
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce, options);
    decipher.setAAD(this.#header);
    const plain = openSealed(decipher, sealed);
    if (plain === undefined) {
      throw new Refused('body', 'tag', last ? 'index chunk' : `data chunk ${counter}`);
    }
    return plain;
  }

  close(): void {
    this.#key.fill(0);
  }
}

/** Places of the data chunks, from the opened index. */
function placesOf(index: Buffer, bodyLength: number, compressed: boolean): [number, Chunk[]] {
  const count = (index.length - 8) / 4;
  const long = index.readBigUInt64BE(0);
  if (long > BigInt(longestMessage)) throw refuse('message length');
  const size = Number(long);
  if (count !== Math.ceil(size / chunkBytes)) throw refuse('chunk count');
  const places: Chunk[] = [];
  let at = headerBytes;
  for (let i = 0; i < count; i += 1) {
    const stored = index.readUInt32BE(8 + 4 * i);
    const plain = Math.min(chunkBytes, size - i * chunkBytes);
    if (stored < 1 || stored > plain || (!compressed && stored !== plain)) {
      throw refuse('stored length');
    }
    places.push({ at, stored, plain });
    at += stored + tagBytes;
  }
  if (at + 24 + 4 * count + 4 !== bodyLength) throw refuse('lengths do not add up');
  return [size, places];
}

/** Opens header and index. @throws Refused of every kind. */
export function openBody(body: ByteSource, dek: Buffer, content: string): OpenedBody {
  if (body.length < smallestBytes) throw refuse('length');
  const header = body.read(0, headerBytes);
  checkHeader(header, content);
  const chunks = new Chunks(header, dek);
  const count = body.read(body.length - 4, 4).readUInt32BE(0);
  const indexBytes = 24 + 4 * count;
  if (headerBytes + indexBytes + 4 > body.length) throw refuse('chunk count');
  const index = chunks.open(count, true, body.read(body.length - 4 - indexBytes, indexBytes));
  const [size, places] = placesOf(index, body.length, chunks.compressed);
  return {
    size,
    recipe: header[4] === 2,
    *chunks() {
      for (const [i, { at, stored, plain }] of places.entries()) {
        yield loadBlock(chunks.open(i, false, body.read(at, stored + tagBytes)), plain, 'body');
      }
    },
    close: () => {
      chunks.close();
    },
  };
}
