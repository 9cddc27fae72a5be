// A block that is stored raw or as one zstd frame; its length alone tells which (docs/formats/conventions.md).
import { zstdDecompressSync } from 'node:zlib';
import { Refused } from './refused.ts';

/** What `info: true` of node:zlib answers; its types do not know the option for zstd. */
interface Informed {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

/** The plain block of `length` bytes. @throws Refused `format`. */
export function loadBlock(stored: Buffer, length: number, format: string): Buffer {
  if (stored.length === length) return stored;
  if (stored.length > length) throw new Refused(format, 'format', 'stored length');
  let loaded: Informed;
  try {
    const options = { maxOutputLength: length, info: true };
    loaded = zstdDecompressSync(stored, options) as unknown as Informed;
  } catch {
    // Not a frame, a damaged one, or one that would be longer than the format says.
    throw new Refused(format, 'format', 'zstd frame');
  }
  if (loaded.buffer.length !== length) throw new Refused(format, 'format', 'plain length');
  if (loaded.engine.bytesWritten !== stored.length) {
    throw new Refused(format, 'format', 'bytes behind the frame');
  }
  return loaded.buffer;
}
