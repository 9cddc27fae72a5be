// Bytes of one part of a mailbox snapshot: docs/formats/mailbox-snapshot.md. Pure. A snapshot is derived
// data: a part that does not decode is not an integrity failure, the rows of `message` are the truth.
import { crc32 } from 'node:zlib';
import type { Generation } from './generation.ts';

export const snapshotVersion = 1;
/** Messages in one part; what is decoded without giving other sessions a turn. */
export const snapshotPartMessages = 32_768;
const headBytes = 16;
const checkBytes = 4;

export interface MessageRow {
  readonly uid: number;
  readonly flags: number;
  readonly modseq: number;
}

/** Messages `from` (included) to `to` (excluded) of `state`. */
export function encodeSnapshotPart(state: Generation, from: number, to: number): Buffer {
  const count = to - from;
  let base = Infinity;
  let topModseq = 0;
  let topFlags = 0;
  for (let i = from; i < to; i += 1) {
    base = Math.min(base, state.modseqAt(i));
    topModseq = Math.max(topModseq, state.modseqAt(i));
    topFlags = Math.max(topFlags, state.flagsAt(i));
  }
  if (count === 0) base = 0;
  const flagWidth = widthOf(topFlags);
  const modseqWidth = widthOf(Math.max(0, topModseq - base));
  const bytes = headBytes + count * (4 + flagWidth + modseqWidth) + checkBytes;
  const out = Buffer.alloc(bytes);
  out.writeUInt8(snapshotVersion, 0);
  out.writeUInt8(flagWidth, 1);
  out.writeUInt8(modseqWidth, 2);
  out.writeUInt32BE(count, 4);
  out.writeBigUInt64BE(BigInt(base), 8);
  let at = headBytes;
  for (let i = from; i < to; i += 1) at = out.writeUInt32BE(state.uidAt(i), at);
  for (let i = from; i < to; i += 1) at = writeNumber(out, at, flagWidth, state.flagsAt(i));
  for (let i = from; i < to; i += 1) {
    at = writeNumber(out, at, modseqWidth, state.modseqAt(i) - base);
  }
  out.writeUInt32BE(crc32(out.subarray(0, at)), at);
  return out;
}

/** Appends the part's messages to `state`; false, and nothing appended, if the bytes are not right. */
export function decodeSnapshotPart(bytes: Buffer, state: Generation): boolean {
  if (bytes.length < headBytes + checkBytes || bytes.readUInt8(0) !== snapshotVersion) return false;
  const flagWidth = bytes.readUInt8(1);
  const modseqWidth = bytes.readUInt8(2);
  const count = bytes.readUInt32BE(4);
  if (![1, 2, 4, 8].includes(flagWidth) || ![1, 2, 4, 8].includes(modseqWidth)) return false;
  const body = headBytes + count * (4 + flagWidth + modseqWidth);
  if (bytes.length !== body + checkBytes) return false;
  if (crc32(bytes.subarray(0, body)) !== bytes.readUInt32BE(body)) return false;
  const base = Number(bytes.readBigUInt64BE(8));
  const flagsFrom = headBytes + count * 4;
  const modseqsFrom = flagsFrom + count * flagWidth;
  let last = state.lastUid;
  return state.extend(count, (uids, flags, modseqs) => {
    for (let i = 0; i < count; i += 1) {
      const uid = readNumber(bytes, headBytes + i * 4, 4);
      if (uid <= last) return false;
      last = uid;
      uids[i] = uid;
    }
    for (let i = 0; i < count; i += 1) {
      flags[i] = readNumber(bytes, flagsFrom + i * flagWidth, flagWidth);
    }
    for (let i = 0; i < count; i += 1) {
      modseqs[i] = base + readNumber(bytes, modseqsFrom + i * modseqWidth, modseqWidth);
    }
    return true;
  });
}

/** Messages in the part, if it is one; for making room before parts are decoded. */
export function messagesInPart(bytes: Buffer): number {
  if (bytes.length < headBytes) return 0;
  return Math.min(bytes.readUInt32BE(4), bytes.length);
}

function widthOf(largest: number): number {
  if (largest < 2 ** 8) return 1;
  if (largest < 2 ** 16) return 2;
  return largest < 2 ** 32 ? 4 : 8;
}

function writeNumber(out: Buffer, at: number, width: number, value: number): number {
  if (width === 1) return out.writeUInt8(value, at);
  if (width === 2) return out.writeUInt16BE(value, at);
  if (width === 4) return out.writeUInt32BE(value, at);
  out.writeUInt32BE(Math.floor(value / 2 ** 32), at);
  return out.writeUInt32BE(value % 2 ** 32, at + 4);
}

/** By hand: it runs once a message and field, and the checks of Buffer's readers double its cost. */
function readNumber(bytes: Uint8Array, at: number, width: number): number {
  let value = bytes[at] ?? 0;
  for (let i = 1; i < width; i += 1) value = value * 256 + (bytes[at + i] ?? 0);
  return value;
}
