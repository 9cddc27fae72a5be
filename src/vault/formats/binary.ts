// Big-endian integers in byte arrays, as every format of this folder writes them
// (docs/formats/conventions.md). Callers check lengths first; a read outside is a programmer's error.
import { assert } from '../../kernel/errors.ts';

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The byte at `at`; without a view, since reading of headers is on every message's way. */
function byteAt(bytes: Uint8Array, at: number): number {
  const byte = bytes[at];
  assert(byte !== undefined, 'a read outside');
  return byte;
}

/** Unsigned 8-bit integer at `at`. */
export function readU8(bytes: Uint8Array, at: number): number {
  return byteAt(bytes, at);
}

/** Unsigned 16-bit big-endian integer at `at`. */
export function readU16(bytes: Uint8Array, at: number): number {
  return byteAt(bytes, at) * 0x100 + byteAt(bytes, at + 1);
}

/** Unsigned 32-bit big-endian integer at `at`. */
export function readU32(bytes: Uint8Array, at: number): number {
  return readU16(bytes, at) * 0x1_0000 + readU16(bytes, at + 2);
}

/** Unsigned 64-bit big-endian integer at `at`; undefined above 2^53-1, which no format allows. */
export function readU64(bytes: Uint8Array, at: number): number | undefined {
  const value = readU32(bytes, at) * 0x1_0000_0000 + readU32(bytes, at + 4);
  return Number.isSafeInteger(value) ? value : undefined;
}

export function writeU16(bytes: Uint8Array, at: number, value: number): void {
  assert(Number.isInteger(value) && value >= 0 && value <= 0xffff, 'u16 out of range');
  view(bytes).setUint16(at, value);
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  assert(Number.isInteger(value) && value >= 0 && value <= 0xffffffff, 'u32 out of range');
  view(bytes).setUint32(at, value);
}

export function writeU64(bytes: Uint8Array, at: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, 'u64 out of range');
  view(bytes).setBigUint64(at, BigInt(value));
}

/** ASCII bytes of a label or magic. */
export function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** True if every byte of `bytes` is zero. */
export function isZero(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (byte !== 0) return false;
  return true;
}

/** `length` rounded up to a multiple of `bucket`. */
export function roundUp(length: number, bucket: number): number {
  return Math.ceil(length / bucket) * bucket;
}
