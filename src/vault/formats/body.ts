// Sealing and opening of whole bodies: docs/formats/body.md. Pure and synchronous; for more than about
// a megabyte use the sealer from a worker (src/vault/sealing/), so that no event loop waits.
import { concatBytes, type Ciphertext, type Plaintext } from '../../kernel/bytes.ts';
import { assert } from '../../kernel/errors.ts';
import { bodyChunkBytes } from '../../kernel/limits.ts';
import { sealChunk } from './body-chunk.ts';
import { startBody, type BodyCodec, type BodyForm, type BodyKeys } from './body-header.ts';
import { bodyPlainBytesMax, openBodyChunk, openBodyMap, sealIndex } from './body-index.ts';
import { storeBlock } from './block.ts';

/** Seals a message that comes in pieces; pieces of the body come out as soon as they are made. */
export interface BodySealer {
  /** Takes the next plaintext bytes; returns body pieces that are ready, in order. */
  push(piece: Uint8Array): Uint8Array[];
  /** Ends the body; returns its last pieces. The sealer cannot be used after it. */
  end(): Uint8Array[];
  /** Octets of plaintext taken so far. */
  readonly plainLength: number;
}

/**
 * Starts a body. `dek` is 32 fresh random bytes and `contentId` a fresh random uuid: both serve this
 * one attempt and are thrown away if it fails.
 */
export function createBodySealer(
  dek: Uint8Array,
  contentId: string,
  codec: BodyCodec = 'zstd',
): BodySealer {
  return new ChunkedSealer(startBody(dek, contentId, codec));
}

/** Seals a whole message at once; same bytes as `createBodySealer` gives. */
export function sealBody(
  dek: Uint8Array,
  contentId: string,
  bytes: Uint8Array,
  codec: BodyCodec = 'zstd',
  form: BodyForm = 'octets',
): Ciphertext {
  const keys = startBody(dek, contentId, codec, form);
  const stored: Uint8Array[] = [];
  for (let from = 0; from < bytes.length; from += bodyChunkBytes) {
    const plain = bytes.subarray(from, from + bodyChunkBytes);
    stored.push(codec === 'zstd' ? storeBlock(plain) : plain);
  }
  const body = sealStoredChunks(keys, bytes.length, stored);
  keys.chunkKey.fill(0);
  return body;
}

/** Opens a whole body to its plaintext, whatever its form. Throws IntegrityError; see docs/formats/body.md, "Refused". */
export function openBody(dek: Uint8Array, contentId: string, body: Uint8Array): Plaintext {
  const map = openBodyMap(dek, contentId, body.length, { head: body, end: body });
  const out = new Uint8Array(map.plainLength);
  for (const chunk of map.chunks) {
    const sealed = body.subarray(chunk.offset, chunk.offset + chunk.sealedLength);
    out.set(openBodyChunk(map, chunk, sealed), chunk.plainFrom);
  }
  map.keys.chunkKey.fill(0);
  return out as Plaintext;
}

/** Seals chunks that are stored already: the same bytes whatever zstd made them. */
export function sealStoredChunks(
  keys: BodyKeys,
  plainLength: number,
  stored: readonly Uint8Array[],
): Ciphertext {
  const pieces = [keys.header];
  stored.forEach((block, counter) =>
    pieces.push(...sealChunk(keys, { counter, last: false }, block)),
  );
  const lengths = stored.map((block) => block.length);
  return concatBytes([...pieces, ...sealIndex(keys, plainLength, lengths)]) as Ciphertext;
}

class ChunkedSealer implements BodySealer {
  readonly #keys: BodyKeys;
  readonly #storedLengths: number[] = [];
  #partial = new Uint8Array(0);
  #partialLength = 0;
  #plainLength = 0;
  #state: 'fresh' | 'open' | 'ended' = 'fresh';

  constructor(keys: BodyKeys) {
    this.#keys = keys;
  }

  get plainLength(): number {
    return this.#plainLength;
  }

  push(piece: Uint8Array): Uint8Array[] {
    const out = this.#begin();
    this.#plainLength += piece.length;
    assert(this.#plainLength <= bodyPlainBytesMax, 'message too long');
    let at = 0;
    while (at < piece.length) {
      const left = piece.length - at;
      if (this.#partialLength === 0 && left >= bodyChunkBytes) {
        this.#seal(piece.subarray(at, at + bodyChunkBytes), out);
        at += bodyChunkBytes;
        continue;
      }
      at += this.#keep(piece.subarray(at));
      if (this.#partialLength === bodyChunkBytes) this.#flush(out);
    }
    return out;
  }

  end(): Uint8Array[] {
    const out = this.#begin();
    if (this.#partialLength > 0) this.#flush(out);
    out.push(...sealIndex(this.#keys, this.#plainLength, this.#storedLengths));
    this.#state = 'ended';
    this.#keys.chunkKey.fill(0);
    this.#partial.fill(0);
    return out;
  }

  #begin(): Uint8Array[] {
    assert(this.#state !== 'ended', 'a body sealer serves one attempt');
    if (this.#state === 'open') return [];
    this.#state = 'open';
    return [this.#keys.header];
  }

  /** Copies what fits into the unfinished chunk; returns how much that was. */
  #keep(piece: Uint8Array): number {
    if (this.#partial.length === 0) this.#partial = new Uint8Array(bodyChunkBytes);
    const taken = Math.min(piece.length, bodyChunkBytes - this.#partialLength);
    this.#partial.set(piece.subarray(0, taken), this.#partialLength);
    this.#partialLength += taken;
    return taken;
  }

  #flush(out: Uint8Array[]): void {
    this.#seal(this.#partial.subarray(0, this.#partialLength), out);
    this.#partialLength = 0;
  }

  #seal(plain: Uint8Array, out: Uint8Array[]): void {
    const stored = this.#keys.codec === 'zstd' ? storeBlock(plain) : plain;
    const counter = this.#storedLengths.length;
    out.push(...sealChunk(this.#keys, { counter, last: false }, stored));
    this.#storedLengths.push(stored.length);
  }
}
