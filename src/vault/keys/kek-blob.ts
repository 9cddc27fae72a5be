// The blob of a key wrapped by a key-encryption key, and what it is bound to: docs/formats/kek-wrap.md.
// Pure: the cipher runs in a token or in src/vault/keyfile/.
import { concatBytes } from '../../kernel/bytes.ts';
import { IntegrityError } from '../../kernel/errors.ts';
import { uuidToBytes } from '../../kernel/ids.ts';
import { ascii, writeU32 } from '../formats/binary.ts';
import { purposes, type Purpose } from '../formats/purposes.ts';

export const gcmNonceBytes = 12;
export const gcmTagBytes = 16;
const version = 1;
/** AES-256-GCM; 2 is set aside for SM4. */
const suite = 1;
const headBytes = 2;
const keyBytes = 32;
/** A blob has exactly this length. */
export const kekBlobBytes = headBytes + gcmNonceBytes + keyBytes + gcmTagBytes;

const label = ascii('postseal/kek-wrap/1');
const head = Uint8Array.of(version, suite);

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
  return Buffer.concat([label, head, aad]);
}

/** Joins the parts of a blob; `sealed` is ciphertext and tag. */
export function encodeKekBlob(nonce: Uint8Array, sealed: Uint8Array): Buffer {
  return Buffer.concat([head, nonce, sealed]);
}

/** Takes a blob apart. @throws IntegrityError `integrity.format`. */
export function decodeKekBlob(blob: Uint8Array): { nonce: Buffer; sealed: Buffer } {
  if (blob.length !== kekBlobBytes) throw refused('length');
  if (blob[0] !== version) throw refused('version');
  if (blob[1] !== suite) throw refused('suite');
  const bytes = Buffer.from(blob);
  return {
    nonce: bytes.subarray(headBytes, headBytes + gcmNonceBytes),
    sealed: bytes.subarray(headBytes + gcmNonceBytes),
  };
}

function refused(what: string): IntegrityError {
  return new IntegrityError('integrity.format', { format: 'kek-wrap', what });
}

/** The error of a blob whose tag does not match. */
export function kekTagFailure(cause?: unknown): IntegrityError {
  return new IntegrityError('integrity.tag', { format: 'kek-wrap' }, cause);
}
