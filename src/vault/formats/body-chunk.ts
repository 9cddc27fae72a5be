// One chunk of a sealed body: AES-256-GCM in the STREAM construction (docs/formats/body.md, "Chunks").
// Pure. The nonce is the chunk's counter and the flag of the last chunk; a DEK serves one attempt only.
import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { BodyKeys } from './body-header.ts';
import { writeU32 } from './binary.ts';
import { formatFailure } from './failure.ts';

export const bodyTagBytes = 16;

/** Place of a chunk in the stream. */
export interface ChunkPlace {
  /** 0..2^24. */
  readonly counter: number;
  /** True for the index chunk alone. */
  readonly last: boolean;
}

/** Ciphertext and tag of `stored`. */
export function sealChunk(keys: BodyKeys, place: ChunkPlace, stored: Uint8Array): Uint8Array[] {
  const cipher = createCipheriv('aes-256-gcm', keys.chunkKey, nonceOf(place));
  cipher.setAAD(keys.header);
  const sealed = cipher.update(stored);
  cipher.final();
  return [sealed, cipher.getAuthTag()];
}

/** Reverses `sealChunk`. Throws IntegrityError of kind `tag`; no plaintext survives it. */
export function openChunk(keys: BodyKeys, place: ChunkPlace, sealed: Uint8Array): Uint8Array {
  const end = sealed.length - bodyTagBytes;
  if (end < 0) throw formatFailure('body', 'format', 'chunk length');
  const cipher = createDecipheriv('aes-256-gcm', keys.chunkKey, nonceOf(place), {
    authTagLength: bodyTagBytes,
  });
  cipher.setAAD(keys.header);
  cipher.setAuthTag(sealed.subarray(end));
  const stored = cipher.update(sealed.subarray(0, end));
  try {
    cipher.final();
  } catch (cause) {
    stored.fill(0);
    throw formatFailure('body', 'tag', place.last ? 'index chunk' : 'data chunk', cause);
  }
  return stored;
}

function nonceOf(place: ChunkPlace): Uint8Array {
  const nonce = new Uint8Array(12);
  writeU32(nonce, 7, place.counter);
  nonce[11] = place.last ? 1 : 0;
  return nonce;
}
