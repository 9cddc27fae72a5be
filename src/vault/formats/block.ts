// A block that is stored raw or as one zstd frame, told apart by its stored length alone
// (docs/formats/conventions.md). Pure and synchronous: a block is at most a few hundred KiB, and the
// one-shot asynchronous call would cost 5 ms a mail.
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { formatFailure, type FormatName } from './failure.ts';

/** The zstd frame of `plain`, or `plain` itself where the frame would not be shorter. */
export function storeBlock(plain: Uint8Array): Uint8Array {
  // Below this length no zstd frame is shorter than its content.
  if (plain.length < smallestBlockBytes) return plain;
  const packed = zstdCompressSync(plain, {
    pledgedSrcSize: plain.length,
    chunkSize: Math.max(64, plain.length),
  });
  return packed.length < plain.length ? packed : plain;
}

/** Reverses `storeBlock` for a block of `plainLength` bytes. Throws IntegrityError of kind `format`. */
export function loadBlock(stored: Uint8Array, plainLength: number, format: FormatName): Uint8Array {
  if (stored.length === plainLength) return stored;
  if (stored.length > plainLength) throw formatFailure(format, 'format', 'stored length');
  const { plain, used } = decompress(stored, plainLength, format);
  if (plain.length !== plainLength) throw formatFailure(format, 'format', 'plain length');
  if (used !== stored.length) throw formatFailure(format, 'format', 'bytes behind the frame');
  return plain;
}

const smallestBlockBytes = 12;

/** What `info: true` of node:zlib returns; its types do not know the option for zstd. */
interface Informed {
  readonly buffer: Uint8Array;
  readonly engine: { readonly bytesWritten: number };
}

function decompress(
  stored: Uint8Array,
  plainLength: number,
  format: FormatName,
): { plain: Uint8Array; used: number } {
  const options = {
    maxOutputLength: plainLength,
    chunkSize: Math.max(64, plainLength),
    info: true,
  };
  try {
    const result = zstdDecompressSync(stored, options) as unknown as Informed;
    return { plain: result.buffer, used: result.engine.bytesWritten };
  } catch (cause) {
    throw formatFailure(format, 'format', 'zstd frame', cause);
  }
}
