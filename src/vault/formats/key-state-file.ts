// Head and keys of a file of the key state: docs/formats/key-state.md. Pure. Behind the head stands a body
// (docs/formats/body.md) whose content id is the file's id, and behind it the digest of everything before.
import { hkdfSync } from 'node:crypto';
import { concatBytes, equalBytes } from '../../kernel/bytes.ts';
import { assert } from '../../kernel/errors.ts';
import { uuidFromBytes, uuidToBytes } from '../../kernel/ids.ts';
import { ascii, readU16, readU32, readU8, writeU16, writeU32 } from './binary.ts';
import { formatFailure } from './failure.ts';

export const keyStateVersion = 1;
/** HKDF-SHA256, and the body's suite 1. */
export const keyStateSuite = 1;
/** Longest head. */
export const keyStateHeadBytesMax = 62 + 128;

const boundBytes = 60;
const fixedBytes = 62;
const wrapBytesMax = 128;
const keyBytes = 32;
const magic = ascii('PSKS');
const label = ascii('postseal/key-state/1');

/** `full`: everything; `changes`: what came after the full one that its first record names. */
export const keyStateKinds = { full: 1, changes: 2 } as const;
export type KeyStateKind = keyof typeof keyStateKinds;

export interface KeyStateHead {
  readonly kind: KeyStateKind;
  /** A uuid, random for each file; also the content id of its body. */
  readonly fileId: string;
  readonly organisationId: string;
  readonly keyId: string;
  /** Key generation whose KEK opens the file: with it, the file ends. */
  readonly generation: number;
  /** The file's key under that KEK (docs/formats/kek-wrap.md). */
  readonly wrap: Uint8Array;
}

export function encodeKeyStateHead(head: KeyStateHead): Uint8Array {
  assert(head.wrap.length > 0 && head.wrap.length <= wrapBytesMax, 'length of a KEK wrap');
  const generation = new Uint8Array(4);
  writeU32(generation, 0, head.generation);
  const length = new Uint8Array(2);
  writeU16(length, 0, head.wrap.length);
  return concatBytes([
    magic,
    Uint8Array.of(keyStateVersion, keyStateSuite, keyStateKinds[head.kind], 0),
    uuidToBytes(head.fileId),
    uuidToBytes(head.organisationId),
    uuidToBytes(head.keyId),
    generation,
    length,
    head.wrap,
  ]);
}

/** The head at the start of `bytes`, and its length. Throws IntegrityError of kind `format`. */
export function decodeKeyStateHead(bytes: Uint8Array): KeyStateHead & { readonly length: number } {
  const refuse = (what: string): never => {
    throw formatFailure('key-state', 'format', what);
  };
  if (bytes.length < fixedBytes) refuse('length');
  if (!equalBytes(bytes.subarray(0, 4), magic)) refuse('magic');
  if (readU8(bytes, 4) !== keyStateVersion) refuse('version');
  if (readU8(bytes, 5) !== keyStateSuite) refuse('suite');
  if (readU8(bytes, 7) !== 0) refuse('reserved byte');
  const code = readU8(bytes, 6);
  const kind = code === keyStateKinds.full ? 'full' : 'changes';
  if (keyStateKinds[kind] !== code) refuse('kind');
  const generation = readU32(bytes, 56);
  if (generation === 0) refuse('generation');
  const wrapLength = readU16(bytes, boundBytes);
  const length = fixedBytes + wrapLength;
  if (wrapLength === 0 || wrapLength > wrapBytesMax || bytes.length < length) refuse('wrap length');
  return {
    kind,
    fileId: uuidFromBytes(bytes.subarray(8, 24)),
    organisationId: uuidFromBytes(bytes.subarray(24, 40)),
    keyId: uuidFromBytes(bytes.subarray(40, 56)),
    generation,
    wrap: bytes.slice(fixedBytes, length),
    length,
  };
}

/** Data key of one file's body; zero it after use. Bound to everything of the head but the wrap. */
export function keyStateFileKey(stateKey: Uint8Array, head: KeyStateHead): Uint8Array {
  assert(stateKey.length === keyBytes, 'a key of the key state has 32 bytes');
  const bound = encodeKeyStateHead(head).subarray(0, boundBytes);
  return new Uint8Array(hkdfSync('sha256', stateKey, bound, label, keyBytes));
}

/** What the wrap of a key-state key is bound to (docs/formats/kek-wrap.md, "context"). */
export function keyStateContext(organisationId: string, keyId: string, generation: number) {
  return {
    purpose: 'key-state',
    organisationId,
    ownerId: organisationId,
    keyId,
    generation,
    version: 1,
  } as const;
}
