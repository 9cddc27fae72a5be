// Bytes of a pack file: docs/formats/pack.md. Pure; the files are written and read in src/vault/packs/.
import { createHash, hash } from 'node:crypto';
import { concatBytes, equalBytes } from '../../kernel/bytes.ts';
import { assert } from '../../kernel/errors.ts';
import { uuidFromBytes, uuidToBytes } from '../../kernel/ids.ts';
import { ascii, isZero, readU64, readU8, writeU64 } from './binary.ts';
import { formatFailure } from './failure.ts';

export const packVersion = 1;
export const packHeaderBytes = 32;
export const framePrefixBytes = 32;
export const frameDigestBytes = 32;
/** What a frame adds to its payload. */
export const frameOverheadBytes = framePrefixBytes + frameDigestBytes;
/** Largest payload of a frame. */
export const framePayloadBytesMax = 2 ** 41;

const packMagic = ascii('PSPK');
/** First bytes of every frame; a scan looks for them after damage. */
export const frameMagic = ascii('PSFR');
const checkBytes = 8;

/** `shared`: many frames; `single`: one frame that was written as a stream and may be discarded. */
export const packKinds = { shared: 1, single: 2 } as const;
export type PackKind = keyof typeof packKinds;

/** What a frame holds. Codes are final; append only. */
export const frameKinds = { body: 1, segment: 2 } as const;
export type FrameKind = keyof typeof frameKinds;

export interface PackHeader {
  readonly kind: PackKind;
  readonly packId: string;
}

export interface FramePrefix {
  readonly kind: FrameKind;
  readonly objectId: string;
  /** Octets of the payload. */
  readonly length: number;
}

export function encodePackHeader(header: PackHeader): Uint8Array {
  const out = new Uint8Array(packHeaderBytes);
  out.set(packMagic, 0);
  out[4] = packVersion;
  out[5] = packKinds[header.kind];
  out.set(uuidToBytes(header.packId), 8);
  out.set(sha256(out.subarray(0, 24)).subarray(0, checkBytes), 24);
  return out;
}

/** Throws IntegrityError of kind `format` or `tag`. */
export function decodePackHeader(bytes: Uint8Array): PackHeader {
  if (bytes.length < packHeaderBytes) throw formatFailure('pack', 'format', 'length');
  if (!equalBytes(bytes.subarray(0, 4), packMagic)) throw formatFailure('pack', 'format', 'magic');
  if (readU8(bytes, 4) !== packVersion) throw formatFailure('pack', 'format', 'version');
  if (!isZero(bytes.subarray(6, 8))) throw formatFailure('pack', 'format', 'reserved bytes');
  const kind = nameOf(packKinds, readU8(bytes, 5));
  if (kind === undefined) throw formatFailure('pack', 'format', 'kind');
  const check = sha256(bytes.subarray(0, 24)).subarray(0, checkBytes);
  if (!equalBytes(check, bytes.subarray(24, packHeaderBytes))) {
    throw formatFailure('pack', 'tag', 'file header');
  }
  return { kind, packId: uuidFromBytes(bytes.subarray(8, 24)) };
}

export function encodeFramePrefix(prefix: FramePrefix): Uint8Array {
  assert(prefix.length >= 1 && prefix.length <= framePayloadBytesMax, 'payload length');
  const out = new Uint8Array(framePrefixBytes);
  out.set(frameMagic, 0);
  out[4] = packVersion;
  out[5] = frameKinds[prefix.kind];
  writeU64(out, 8, prefix.length);
  out.set(uuidToBytes(prefix.objectId), 16);
  return out;
}

/** Throws IntegrityError of kind `format`. The prefix is proved by the frame's digest only. */
export function decodeFramePrefix(bytes: Uint8Array): FramePrefix {
  if (bytes.length < framePrefixBytes) throw formatFailure('pack', 'format', 'length');
  if (!equalBytes(bytes.subarray(0, 4), frameMagic)) {
    throw formatFailure('pack', 'format', 'frame magic');
  }
  if (readU8(bytes, 4) !== packVersion) throw formatFailure('pack', 'format', 'frame version');
  if (!isZero(bytes.subarray(6, 8))) throw formatFailure('pack', 'format', 'reserved bytes');
  const kind = nameOf(frameKinds, readU8(bytes, 5));
  if (kind === undefined) throw formatFailure('pack', 'format', 'frame kind');
  const length = readU64(bytes, 8);
  if (length === undefined || length < 1 || length > framePayloadBytesMax) {
    throw formatFailure('pack', 'format', 'payload length');
  }
  return { kind, length, objectId: uuidFromBytes(bytes.subarray(16, framePrefixBytes)) };
}

/** SHA-256(payload ‖ prefix), fed with the payload piece by piece. */
export interface FrameDigest {
  update(piece: Uint8Array): void;
  finish(prefix: Uint8Array): Uint8Array;
}

export function createFrameDigest(): FrameDigest {
  const running = createHash('sha256');
  return {
    update: (piece) => void running.update(piece),
    finish: (prefix) => running.update(prefix).digest(),
  };
}

/** A whole frame and its digest. */
export function encodeFrame(
  kind: FrameKind,
  objectId: string,
  payload: Uint8Array,
): { frame: Uint8Array; digest: Uint8Array } {
  const prefix = encodeFramePrefix({ kind, objectId, length: payload.length });
  const running = createFrameDigest();
  running.update(payload);
  const digest = running.finish(prefix);
  return { frame: concatBytes([prefix, payload, digest]), digest };
}

/** Checks a whole frame and gives its parts. Throws IntegrityError of kind `format` or `tag`. */
export function decodeFrame(frame: Uint8Array): {
  prefix: FramePrefix;
  payload: Uint8Array;
  digest: Uint8Array;
} {
  const prefix = decodeFramePrefix(frame);
  if (frame.length !== frameOverheadBytes + prefix.length) {
    throw formatFailure('pack', 'format', 'frame length');
  }
  const end = framePrefixBytes + prefix.length;
  const payload = frame.subarray(framePrefixBytes, end);
  const running = createFrameDigest();
  running.update(payload);
  const digest = running.finish(frame.subarray(0, framePrefixBytes));
  if (!equalBytes(digest, frame.subarray(end))) throw formatFailure('pack', 'tag', 'frame digest');
  return { prefix, payload, digest };
}

export function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer');
}

function nameOf<K extends string>(codes: Readonly<Record<K, number>>, code: number): K | undefined {
  for (const name of Object.keys(codes) as K[]) if (codes[name] === code) return name;
  return undefined;
}
