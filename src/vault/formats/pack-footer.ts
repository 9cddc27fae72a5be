// The footer that closes a pack: docs/formats/pack.md, "Footer". Pure.
import { concatBytes, equalBytes } from '../../kernel/bytes.ts';
import { uuidFromBytes, uuidToBytes } from '../../kernel/ids.ts';
import { ascii, isZero, readU64, readU8, writeU64 } from './binary.ts';
import { formatFailure } from './failure.ts';
import { encodePackHeader, frameOverheadBytes, packHeaderBytes, packVersion } from './pack.ts';
import { framePayloadBytesMax, sha256, type PackHeader } from './pack.ts';

/** First bytes of a footer. */
export const footerMagic = ascii('PSIX');
const closingMagic = ascii('PSSEALED');
const prefixBytes = 32;
const entryBytes = 64;
const closingBytes = 48;
/** Length of the footer's own length and closing magic, the very end of a closed pack. */
export const footerEndBytes = 16;
/** Smallest footer: that of a pack without frames. */
export const footerBytesMin = prefixBytes + closingBytes;

export interface FooterEntry {
  readonly objectId: string;
  /** Of the frame's first byte in the file. */
  readonly offset: number;
  /** Octets of the payload. */
  readonly length: number;
  readonly digest: Uint8Array;
}

export function footerBytes(count: number): number {
  return prefixBytes + entryBytes * count + closingBytes;
}

/** Footer of a pack whose frames are `entries`, in file order and without gaps. */
export function encodeFooter(header: PackHeader, entries: readonly FooterEntry[]): Uint8Array {
  const body = new Uint8Array(prefixBytes + entryBytes * entries.length);
  body.set(footerMagic, 0);
  body[4] = packVersion;
  writeU64(body, 8, entries.length);
  body.set(uuidToBytes(header.packId), 16);
  entries.forEach((entry, i) => {
    const at = prefixBytes + entryBytes * i;
    body.set(uuidToBytes(entry.objectId), at);
    writeU64(body, at + 16, entry.offset);
    writeU64(body, at + 24, entry.length);
    body.set(entry.digest, at + 32);
  });
  const end = new Uint8Array(footerEndBytes);
  writeU64(end, 0, footerBytes(entries.length));
  end.set(closingMagic, 8);
  return concatBytes([body, sha256(concatBytes([encodePackHeader(header), body])), end]);
}

/** Length of the footer from the last 16 bytes of a file; undefined if the pack was not closed. */
export function footerLengthFrom(end: Uint8Array): number | undefined {
  if (end.length < footerEndBytes) return undefined;
  const last = end.subarray(end.length - footerEndBytes);
  return equalBytes(last.subarray(8), closingMagic) ? (readU64(last, 0) ?? 0) : undefined;
}

/**
 * Checks a footer of a file of `fileLength` bytes; `bytes` are exactly the footer's. Throws
 * IntegrityError of kind `format`, `identity` or `tag`.
 */
export function decodeFooter(
  header: PackHeader,
  bytes: Uint8Array,
  fileLength: number,
): FooterEntry[] {
  if (bytes.length < footerBytesMin) throw formatFailure('pack', 'format', 'footer length');
  if (footerLengthFrom(bytes) !== bytes.length) {
    throw formatFailure('pack', 'format', 'footer length');
  }
  if (!equalBytes(bytes.subarray(0, 4), footerMagic) || readU8(bytes, 4) !== packVersion) {
    throw formatFailure('pack', 'format', 'footer magic');
  }
  if (!isZero(bytes.subarray(5, 8))) throw formatFailure('pack', 'format', 'reserved bytes');
  const count = readU64(bytes, 8);
  if (count === undefined || footerBytes(count) !== bytes.length) {
    throw formatFailure('pack', 'format', 'frame count');
  }
  const bodyEnd = bytes.length - closingBytes;
  const digest = sha256(concatBytes([encodePackHeader(header), bytes.subarray(0, bodyEnd)]));
  if (!equalBytes(digest, bytes.subarray(bodyEnd, bodyEnd + 32))) {
    throw formatFailure('pack', 'tag', 'footer digest');
  }
  if (uuidFromBytes(bytes.subarray(16, 32)) !== header.packId) {
    throw formatFailure('pack', 'identity', 'footer of another pack');
  }
  return readEntries(bytes.subarray(prefixBytes, bodyEnd), fileLength - bytes.length);
}

function readEntries(bytes: Uint8Array, framesEnd: number): FooterEntry[] {
  const entries: FooterEntry[] = [];
  let expected = packHeaderBytes;
  for (let at = 0; at < bytes.length; at += entryBytes) {
    const offset = readU64(bytes, at + 16);
    const length = readU64(bytes, at + 24);
    if (offset !== expected) throw formatFailure('pack', 'format', 'entry offset');
    if (length === undefined || length < 1 || length > framePayloadBytesMax) {
      throw formatFailure('pack', 'format', 'entry length');
    }
    const objectId = uuidFromBytes(bytes.subarray(at, at + 16));
    entries.push({ objectId, offset, length, digest: bytes.slice(at + 32, at + 64) });
    expected = offset + frameOverheadBytes + length;
  }
  if (expected !== framesEnd) throw formatFailure('pack', 'format', 'gap before the footer');
  return entries;
}
