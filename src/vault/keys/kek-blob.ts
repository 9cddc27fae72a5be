// The blob of a key wrapped by a key-encryption key, and what it is bound to: docs/formats/kek-wrap.md.
// Pure: the cipher runs in a token or in src/vault/keyfile/.
import { createHash } from 'node:crypto';
import { concatBytes } from '../../kernel/bytes.ts';
import { IntegrityError } from '../../kernel/errors.ts';
import { uuidToBytes } from '../../kernel/ids.ts';
import { ascii, writeU32 } from '../formats/binary.ts';
import { purposes, type Purpose } from '../formats/purposes.ts';

export const gcmNonceBytes = 12;
export const gcmTagBytes = 16;
const version = 1;
const headBytes = 2;
const keyBytes = 32;
const bindingBytes = 32;
/** Ciphertext of AES-KWP over key and binding. */
export const kwpBytes = keyBytes + bindingBytes + 8;

/** Suite bytes; 2 is set aside for SM4. Both bind a wrap to its context. */
export const kekSuites = { 'aes-gcm': 1, 'aes-kwp': 3 } as const;
export type KekSuite = keyof typeof kekSuites;

/** A blob has exactly the length of its suite. */
export const kekBlobBytes: Readonly<Record<KekSuite, number>> = {
  'aes-gcm': headBytes + gcmNonceBytes + keyBytes + gcmTagBytes,
  'aes-kwp': headBytes + kwpBytes,
};

const label = ascii('postseal/kek-wrap/1');

export type KekBlob =
  | { readonly suite: 'aes-gcm'; readonly nonce: Buffer; readonly sealed: Buffer }
  | { readonly suite: 'aes-kwp'; readonly sealed: Buffer };

/** What a wrap under a KEK is bound to. */
export interface KekContext {
  readonly purpose: Purpose;
  readonly organisationId: string;
  /** The custodian; for keys of the organisation itself, the organisation's id again. */
  readonly ownerId: string;
  /** Id of the wrapped key. */
  readonly keyId: string;
  /** Generation of the KEK. */
  readonly generation: number;
  /** Version of the wrapped key. */
  readonly version: number;
}

/** The associated data that a caller hands to `KeyStore.wrap` and `KeyStore.unwrap`. */
export function kekContextBytes(context: KekContext): Uint8Array {
  const numbers = new Uint8Array(8);
  writeU32(numbers, 0, context.generation);
  writeU32(numbers, 4, context.version);
  return concatBytes([
    Uint8Array.of(purposes[context.purpose]),
    uuidToBytes(context.organisationId),
    uuidToBytes(context.ownerId),
    uuidToBytes(context.keyId),
    numbers,
  ]);
}

/** The associated data of the cipher itself: format, version and suite go in front of the caller's. */
export function gcmAssociatedData(aad: Uint8Array): Buffer {
  return boundData('aes-gcm', aad);
}

/** What AES-KWP encrypts behind the key, having no associated data of its own. 32 bytes. */
export function kwpBinding(aad: Uint8Array): Buffer {
  return createHash('sha256').update(boundData('aes-kwp', aad)).digest();
}

function boundData(suite: KekSuite, aad: Uint8Array): Buffer {
  return Buffer.concat([label, head(suite), aad]);
}

function head(suite: KekSuite): Uint8Array {
  return Uint8Array.of(version, kekSuites[suite]);
}

/** Joins the parts of a blob; `sealed` is ciphertext and, with AES-GCM, tag. */
export function encodeKekBlob(blob: {
  readonly suite: KekSuite;
  readonly nonce?: Uint8Array;
  readonly sealed: Uint8Array;
}): Buffer {
  return Buffer.concat([head(blob.suite), blob.nonce ?? new Uint8Array(0), blob.sealed]);
}

/** Takes a blob apart. @throws IntegrityError `integrity.format`. */
export function decodeKekBlob(blob: Uint8Array): KekBlob {
  const suite = suiteOf(blob);
  if (blob.length !== kekBlobBytes[suite]) throw kekFormatFailure('length');
  const rest = Buffer.from(blob).subarray(headBytes);
  if (suite === 'aes-kwp') return { suite, sealed: rest };
  return { suite, nonce: rest.subarray(0, gcmNonceBytes), sealed: rest.subarray(gcmNonceBytes) };
}

function suiteOf(blob: Uint8Array): KekSuite {
  if (blob.length < headBytes) throw kekFormatFailure('length');
  if (blob[0] !== version) throw kekFormatFailure('version');
  if (blob[1] === kekSuites['aes-gcm']) return 'aes-gcm';
  if (blob[1] === kekSuites['aes-kwp']) return 'aes-kwp';
  throw kekFormatFailure('suite');
}

/** The error of bytes that are no blob, or none that can be opened here. */
export function kekFormatFailure(what: string): IntegrityError {
  return new IntegrityError('integrity.format', { format: 'kek-wrap', what });
}

/** The error of a blob whose tag does not match. */
export function kekTagFailure(cause?: unknown): IntegrityError {
  return new IntegrityError('integrity.tag', { format: 'kek-wrap' }, cause);
}
