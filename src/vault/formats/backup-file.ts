// Head and keys of a backup file: docs/formats/backup.md. Pure. Behind the head stands a body
// (docs/formats/body.md) whose content id is the file's id, and behind it the digest of everything before.
import { hkdfSync } from 'node:crypto';
import { concatBytes, equalBytes } from '../../kernel/bytes.ts';
import { assert } from '../../kernel/errors.ts';
import { uuidFromBytes, uuidToBytes } from '../../kernel/ids.ts';
import { ascii, readU16, readU8, writeU16 } from './binary.ts';
import { formatFailure } from './failure.ts';

export const backupVersion = 1;
/** HKDF-SHA256, and the body's suite 1. */
export const backupSuite = 1;
/** SHA-256 of head and body. */
export const backupDigestBytes = 32;
/** The KEK of no key generation: it lives as long as a backup that it opens. */
export const backupKekGeneration = 0;
/** Longest head; a KEK wrap has 62 or 74 bytes. */
export const backupHeadBytesMax = 58 + 128;

const boundBytes = 56;
const fixedBytes = 58;
const wrapBytesMax = 128;
const keyBytes = 32;
const magic = ascii('PSBU');
const label = ascii('postseal/backup/1');

/** `set`: the list of one backup; `object`: bytes of backed-up files. */
export const backupKinds = { set: 1, object: 2 } as const;
export type BackupKind = keyof typeof backupKinds;

export interface BackupHead {
  readonly kind: BackupKind;
  /** A uuid, random for each file; also the content id of its body. */
  readonly fileId: string;
  readonly organisationId: string;
  readonly keyId: string;
  /** The backup key under the backup KEK (docs/formats/kek-wrap.md). */
  readonly wrap: Uint8Array;
}

export function encodeBackupHead(head: BackupHead): Uint8Array {
  assert(head.wrap.length > 0 && head.wrap.length <= wrapBytesMax, 'length of a KEK wrap');
  const length = new Uint8Array(2);
  writeU16(length, 0, head.wrap.length);
  return concatBytes([
    magic,
    Uint8Array.of(backupVersion, backupSuite, backupKinds[head.kind], 0),
    uuidToBytes(head.fileId),
    uuidToBytes(head.organisationId),
    uuidToBytes(head.keyId),
    length,
    head.wrap,
  ]);
}

/** The head at the start of `bytes`, and its length. Throws IntegrityError of kind `format`. */
export function decodeBackupHead(bytes: Uint8Array): BackupHead & { readonly length: number } {
  const refuse = (what: string): never => {
    throw formatFailure('backup', 'format', what);
  };
  if (bytes.length < fixedBytes) refuse('length');
  if (!equalBytes(bytes.subarray(0, 4), magic)) refuse('magic');
  if (readU8(bytes, 4) !== backupVersion) refuse('version');
  if (readU8(bytes, 5) !== backupSuite) refuse('suite');
  if (readU8(bytes, 7) !== 0) refuse('reserved byte');
  const code = readU8(bytes, 6);
  const kind = code === backupKinds.set ? 'set' : 'object';
  if (backupKinds[kind] !== code) refuse('kind');
  const wrapLength = readU16(bytes, boundBytes);
  const length = fixedBytes + wrapLength;
  if (wrapLength === 0 || wrapLength > wrapBytesMax || bytes.length < length) refuse('wrap length');
  return {
    kind,
    fileId: uuidFromBytes(bytes.subarray(8, 24)),
    organisationId: uuidFromBytes(bytes.subarray(24, 40)),
    keyId: uuidFromBytes(bytes.subarray(40, boundBytes)),
    wrap: bytes.slice(fixedBytes, length),
    length,
  };
}

/** Data key of one file's body; zero it after use. Bound to everything of the head but the wrap. */
export function backupFileKey(backupKey: Uint8Array, head: BackupHead): Uint8Array {
  assert(backupKey.length === keyBytes, 'a backup key has 32 bytes');
  const bound = encodeBackupHead(head).subarray(0, boundBytes);
  return new Uint8Array(hkdfSync('sha256', backupKey, bound, label, keyBytes));
}

/** What the wrap of a backup key is bound to (docs/formats/kek-wrap.md, "context"). */
export function backupKeyContext(organisationId: string, keyId: string) {
  return {
    purpose: 'backup',
    organisationId,
    ownerId: organisationId,
    keyId,
    generation: backupKekGeneration,
    version: 1,
  } as const;
}
