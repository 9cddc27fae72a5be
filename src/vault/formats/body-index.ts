// The index chunk of a sealed body: where each chunk is (docs/formats/body.md, "Chunks", "Reading").
// Pure. A reader needs the header and the end of a body, then only the chunks of its range.
import { bodyChunkBytes } from '../../kernel/limits.ts';
import { assert } from '../../kernel/errors.ts';
import { bodyTagBytes, openChunk, sealChunk } from './body-chunk.ts';
import { bodyHeaderBytes, openBodyHeader, type BodyKeys } from './body-header.ts';
import { readU32, readU64, writeU32, writeU64 } from './binary.ts';
import { loadBlock } from './block.ts';
import { formatFailure } from './failure.ts';

/** Largest message. */
export const bodyPlainBytesMax = 2 ** 40;
const countBytes = 4;
const lengthBytes = 8;
/** Smallest body: that of an empty message. */
export const bodyBytesMin = bodyHeaderBytes + lengthBytes + bodyTagBytes + countBytes;

/** Where one data chunk is, in the body and in the message. */
export interface BodyChunk {
  readonly counter: number;
  /** Of the sealed chunk in the body. */
  readonly offset: number;
  /** Of the sealed chunk, tag included. */
  readonly sealedLength: number;
  /** Of its first byte in the message. */
  readonly plainFrom: number;
  readonly plainLength: number;
}

/** An opened header and index. Holds the chunk key: keep it no longer than the DEK itself. */
export interface BodyMap {
  readonly keys: BodyKeys;
  /** Octets of the message. */
  readonly plainLength: number;
  /** Octets of the body. */
  readonly sealedLength: number;
  readonly chunks: readonly BodyChunk[];
}

/** Index chunk and chunk count that end a body. `stored` holds the stored length of each chunk. */
export function sealIndex(
  keys: BodyKeys,
  plainLength: number,
  stored: readonly number[],
): Uint8Array[] {
  assert(plainLength <= bodyPlainBytesMax, 'message too long');
  assert(stored.length === Math.ceil(plainLength / bodyChunkBytes), 'chunk count');
  const index = new Uint8Array(lengthBytes + 4 * stored.length);
  writeU64(index, 0, plainLength);
  stored.forEach((length, i) => {
    writeU32(index, lengthBytes + 4 * i, length);
  });
  const count = new Uint8Array(countBytes);
  writeU32(count, 0, stored.length);
  return [...sealChunk(keys, { counter: stored.length, last: true }, index), count];
}

/**
 * How many bytes at the end of a body hold its index, from any end of it that has at least four bytes.
 * Not authenticated; `openBodyMap` checks it. Throws `format` if the body cannot be that long.
 */
export function bodyEndBytes(end: Uint8Array, sealedLength: number): number {
  if (end.length < countBytes) throw formatFailure('body', 'format', 'length');
  const count = readU32(end, end.length - countBytes);
  const need = lengthBytes + 4 * count + bodyTagBytes + countBytes;
  if (bodyHeaderBytes + need > sealedLength) throw formatFailure('body', 'format', 'chunk count');
  return need;
}

/**
 * Opens header and index. `head` is the start of the body (56 bytes or more), `end` its end (as many
 * bytes as `bodyEndBytes` says, or more). Throws IntegrityError of every kind.
 */
export function openBodyMap(
  dek: Uint8Array,
  contentId: string,
  sealedLength: number,
  ends: { readonly head: Uint8Array; readonly end: Uint8Array },
): BodyMap {
  if (sealedLength < bodyBytesMin) throw formatFailure('body', 'format', 'length');
  const keys = openBodyHeader(dek, contentId, ends.head);
  const need = bodyEndBytes(ends.end, sealedLength);
  if (ends.end.length < need) throw formatFailure('body', 'format', 'length');
  const from = ends.end.length - need;
  const counter = readU32(ends.end, ends.end.length - countBytes);
  const sealed = ends.end.subarray(from, ends.end.length - countBytes);
  const index = openChunk(keys, { counter, last: true }, sealed);
  return readIndex(keys, index, sealedLength);
}

/** Opens one data chunk, as it stands in the body. Throws IntegrityError of kind `tag` or `format`. */
export function openBodyChunk(map: BodyMap, chunk: BodyChunk, sealed: Uint8Array): Uint8Array {
  if (sealed.length !== chunk.sealedLength) throw formatFailure('body', 'format', 'chunk length');
  const stored = openChunk(map.keys, { counter: chunk.counter, last: false }, sealed);
  return loadBlock(stored, chunk.plainLength, 'body');
}

/** The chunks that hold the bytes `from..to` of the message. */
export function chunksOfRange(map: BodyMap, from: number, to: number): readonly BodyChunk[] {
  if (to <= from) return [];
  return map.chunks.slice(Math.floor(from / bodyChunkBytes), Math.ceil(to / bodyChunkBytes));
}

function readIndex(keys: BodyKeys, index: Uint8Array, sealedLength: number): BodyMap {
  const plainLength = readU64(index, 0);
  if (plainLength === undefined || plainLength > bodyPlainBytesMax) {
    throw formatFailure('body', 'format', 'message length');
  }
  const count = (index.length - lengthBytes) / 4;
  if (count !== Math.ceil(plainLength / bodyChunkBytes)) {
    throw formatFailure('body', 'format', 'chunk count');
  }
  const chunks: BodyChunk[] = [];
  let offset = bodyHeaderBytes;
  for (let counter = 0; counter < count; counter += 1) {
    const plainFrom = counter * bodyChunkBytes;
    const chunkLength = Math.min(bodyChunkBytes, plainLength - plainFrom);
    const stored = readU32(index, lengthBytes + 4 * counter);
    if (!fits(keys, stored, chunkLength)) throw formatFailure('body', 'format', 'stored length');
    const sealed = stored + bodyTagBytes;
    chunks.push({ counter, offset, sealedLength: sealed, plainFrom, plainLength: chunkLength });
    offset += sealed;
  }
  if (offset + index.length + bodyTagBytes + countBytes !== sealedLength) {
    throw formatFailure('body', 'format', 'length');
  }
  return { keys, plainLength, sealedLength, chunks };
}

function fits(keys: BodyKeys, stored: number, plainLength: number): boolean {
  if (keys.codec === 'none') return stored === plainLength;
  return stored >= 1 && stored <= plainLength;
}
