// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): 32-byte key, 24-byte nonce, 16-byte tag at the end.
// @noble/ciphers is the reference and is imported nowhere else. Above 256 bytes the same construction
// runs as noble's HChaCha20 plus OpenSSL's ChaCha20-Poly1305 (4 to 13 times faster); both give the same
// bytes, which test/vault/formats/xchacha.test.ts checks on random input.
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { hchacha, xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { assert } from '../kernel/errors.ts';

export const xchachaKeyBytes = 32;
export const xchachaNonceBytes = 24;
export const xchachaTagBytes = 16;

const nativeAboveBytes = 256;
/** "expand 32-byte k" as little-endian words. */
const sigma = Uint32Array.of(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574);

/**
 * Encrypts `plaintext` and appends the tag. The pair (key, nonce) must never serve two plaintexts;
 * a random nonce is good for that.
 */
export function sealXchacha(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  checkSizes(key, nonce);
  return plaintext.length > nativeAboveBytes
    ? sealNative(key, nonce, aad, plaintext)
    : sealReference(key, nonce, aad, plaintext);
}

/** Decrypts what `sealXchacha` made; undefined if the tag does not match. */
export function openXchacha(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  checkSizes(key, nonce);
  if (sealed.length < xchachaTagBytes) return undefined;
  return sealed.length - xchachaTagBytes > nativeAboveBytes
    ? openNative(key, nonce, aad, sealed)
    : openReference(key, nonce, aad, sealed);
}

/** The reference implementation; exported for the test that holds both alike. */
export function sealReference(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  return xchacha20poly1305(key, nonce, aad).encrypt(plaintext);
}

/** The fast implementation; exported for the test that holds both alike. */
export function sealNative(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  const subkey = deriveSubkey(key, nonce);
  const cipher = createCipheriv('chacha20-poly1305', subkey, ietfNonce(nonce), {
    authTagLength: xchachaTagBytes,
  });
  cipher.setAAD(aad, { plaintextLength: plaintext.length });
  const out = new Uint8Array(plaintext.length + xchachaTagBytes);
  const body = cipher.update(plaintext);
  out.set(body, 0);
  const rest = cipher.final();
  assert(
    body.length === plaintext.length && rest.length === 0,
    'a stream cipher holds nothing back',
  );
  out.set(cipher.getAuthTag(), plaintext.length);
  subkey.fill(0);
  return out;
}

export function openReference(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  try {
    return xchacha20poly1305(key, nonce, aad).decrypt(sealed);
  } catch {
    // Sizes were checked before, so the only thing left to fail is the tag.
    return undefined;
  }
}

export function openNative(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  const end = sealed.length - xchachaTagBytes;
  const subkey = deriveSubkey(key, nonce);
  const cipher = createDecipheriv('chacha20-poly1305', subkey, ietfNonce(nonce), {
    authTagLength: xchachaTagBytes,
  });
  subkey.fill(0);
  cipher.setAAD(aad, { plaintextLength: end });
  cipher.setAuthTag(sealed.subarray(end));
  const plaintext = cipher.update(sealed.subarray(0, end));
  try {
    cipher.final();
  } catch {
    // `final` fails for one reason only: the tag. Unauthenticated plaintext must not survive it.
    plaintext.fill(0);
    return undefined;
  }
  return plaintext;
}

function checkSizes(key: Uint8Array, nonce: Uint8Array): void {
  assert(key.length === xchachaKeyBytes, 'an XChaCha20 key has 32 bytes');
  assert(nonce.length === xchachaNonceBytes, 'an XChaCha20 nonce has 24 bytes');
}

/** §2.2: HChaCha20 over the first 16 nonce bytes. */
function deriveSubkey(key: Uint8Array, nonce: Uint8Array): Uint8Array {
  const words = new Uint32Array(8);
  hchacha(sigma, littleEndianWords(key, 8), littleEndianWords(nonce, 4), words);
  const out = new Uint8Array(32);
  const view = new DataView(out.buffer);
  for (let i = 0; i < 8; i += 1) view.setUint32(i * 4, words[i] ?? 0, true);
  words.fill(0);
  return out;
}

/** §2.3: four zero bytes and the last eight of the long nonce. */
function ietfNonce(nonce: Uint8Array): Uint8Array {
  const out = new Uint8Array(12);
  out.set(nonce.subarray(16), 4);
  return out;
}

function littleEndianWords(bytes: Uint8Array, count: number): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = new Uint32Array(count);
  for (let i = 0; i < count; i += 1) out[i] = view.getUint32(i * 4, true);
  return out;
}
