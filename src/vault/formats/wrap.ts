// How one 32-byte key is wrapped by another: docs/formats/wrap.md. Pure: keys, ids and the nonce come
// in as arguments. A wrap that is moved to another custodian, object, parent or purpose opens nothing.
import { hkdfSync } from 'node:crypto';
import { concatBytes } from '../../kernel/bytes.ts';
import { assert } from '../../kernel/errors.ts';
import { uuidToBytes } from '../../kernel/ids.ts';
import { openXchacha, sealXchacha, xchachaNonceBytes, xchachaTagBytes } from '../xchacha.ts';
import { ascii, readU32, readU8, writeU32 } from './binary.ts';
import { formatFailure } from './failure.ts';
import { purposes, type Purpose } from './purposes.ts';

export const wrapVersion = 1;
/** HKDF-SHA256 and XChaCha20-Poly1305. */
export const wrapSuite = 1;
export const wrappedKeyBytes = 32;
const headBytes = 6;
/** A wrap has exactly this length. */
export const wrapBytes = headBytes + xchachaNonceBytes + wrappedKeyBytes + xchachaTagBytes;
/** No key has so many versions: a wrap that names it was taken away (docs/formats/key-state.md "Applying"). */
export const silencedVersion = 0xffff_ffff;

const label = ascii('postseal/wrap/1');

/** What a wrap is bound to; all ids are uuids in text form. */
export interface WrapContext {
  readonly purpose: Purpose;
  /** The custodian; for keys of the organisation itself, the organisation's id. */
  readonly custodianId: string;
  readonly parentKeyId: string;
  /** Version of the parent key, 0..2^32-1. */
  readonly parentVersion: number;
  /** The wrapped key's own id, or the id of the content, record or page that it opens. */
  readonly objectId: string;
}

/**
 * Derives the key that wraps for (parent, purpose, custodian, version). It may be kept while the
 * parent key itself is kept; `wrapWithDerived` and `unwrapWithDerived` take it.
 */
export function deriveWrappingKey(
  parentKey: Uint8Array,
  context: Pick<WrapContext, 'purpose' | 'custodianId' | 'parentVersion'>,
): Uint8Array {
  assert(parentKey.length === wrappedKeyBytes, 'a parent key has 32 bytes');
  const version = new Uint8Array(4);
  writeU32(version, 0, context.parentVersion);
  const info = concatBytes([
    label,
    Uint8Array.of(purposes[context.purpose]),
    uuidToBytes(context.custodianId),
    version,
  ]);
  return new Uint8Array(hkdfSync('sha256', parentKey, new Uint8Array(0), info, 32));
}

/** Wraps `key` (32 bytes) under `parentKey`; `nonce` is 24 fresh random bytes. */
export function wrapKey(
  parentKey: Uint8Array,
  context: WrapContext,
  nonce: Uint8Array,
  key: Uint8Array,
): Uint8Array {
  const wrapping = deriveWrappingKey(parentKey, context);
  const out = wrapWithDerived(wrapping, context, nonce, key);
  wrapping.fill(0);
  return out;
}

/** `wrapKey` for a caller that has already derived the wrapping key. */
export function wrapWithDerived(
  wrapping: Uint8Array,
  context: WrapContext,
  nonce: Uint8Array,
  key: Uint8Array,
): Uint8Array {
  assert(key.length === wrappedKeyBytes, 'a wrapped key has 32 bytes');
  const head = encodeHead(context.parentVersion);
  const sealed = sealXchacha(wrapping, nonce, associatedData(head, context), key);
  return concatBytes([head, nonce, sealed]);
}

/**
 * Opens a wrap. Throws IntegrityError: `format` for anything that is not a wrap of this version,
 * `identity` if it was made under another version of the parent, `tag` if it is not this context's.
 */
export function unwrapKey(
  parentKey: Uint8Array,
  context: WrapContext,
  wrap: Uint8Array,
): Uint8Array {
  const wrapping = deriveWrappingKey(parentKey, context);
  try {
    return unwrapWithDerived(wrapping, context, wrap);
  } finally {
    wrapping.fill(0);
  }
}

/** `unwrapKey` for a caller that has already derived the wrapping key. */
export function unwrapWithDerived(
  wrapping: Uint8Array,
  context: WrapContext,
  wrap: Uint8Array,
): Uint8Array {
  if (wrapParentVersion(wrap) !== context.parentVersion) {
    throw formatFailure('wrap', 'identity', 'another version of the parent key');
  }
  const head = wrap.subarray(0, headBytes);
  const nonce = wrap.subarray(headBytes, headBytes + xchachaNonceBytes);
  const sealed = wrap.subarray(headBytes + xchachaNonceBytes);
  const key = openXchacha(wrapping, nonce, associatedData(head, context), sealed);
  if (key === undefined) throw formatFailure('wrap', 'tag', 'tag of the wrapped key');
  return key;
}

/** Version of the parent key that a wrap needs, read without any key. Throws `format`. */
export function wrapParentVersion(wrap: Uint8Array): number {
  if (wrap.length !== wrapBytes) throw formatFailure('wrap', 'format', 'length');
  if (readU8(wrap, 0) !== wrapVersion) throw formatFailure('wrap', 'format', 'version');
  if (readU8(wrap, 1) !== wrapSuite) throw formatFailure('wrap', 'format', 'suite');
  return readU32(wrap, 2);
}

function encodeHead(parentVersion: number): Uint8Array {
  const head = new Uint8Array(headBytes);
  head[0] = wrapVersion;
  head[1] = wrapSuite;
  writeU32(head, 2, parentVersion);
  return head;
}

function associatedData(head: Uint8Array, context: WrapContext): Uint8Array {
  return concatBytes([
    label,
    head,
    Uint8Array.of(purposes[context.purpose]),
    uuidToBytes(context.custodianId),
    uuidToBytes(context.parentKeyId),
    uuidToBytes(context.objectId),
  ]);
}
