// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): HChaCha20 (§2.2) here, the rest is the
// ChaCha20-Poly1305 of RFC 8439 that node:crypto has.
import { createDecipheriv } from 'node:crypto';
import { openSealed, tagBytes } from './aead.ts';

export const nonceBytes = 24;

/** Columns and diagonals of RFC 8439 §2.3, in pairs of four words. */
const quarters = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
] as const;

const sigma = Buffer.from('expand 32-byte k', 'ascii');

/** One step of RFC 8439 §2.1: `a += b; d ^= a; d <<<= n`. */
function step(x: Uint32Array, [a, b, d]: readonly [number, number, number], n: number): void {
  const sum = ((x[a] ?? 0) + (x[b] ?? 0)) >>> 0;
  const mixed = (x[d] ?? 0) ^ sum;
  x[a] = sum;
  x[d] = (mixed << n) | (mixed >>> (32 - n));
}

/** The subkey of a key (32 bytes) and the first 16 bytes of the nonce. */
export function hchacha20(key: Buffer, nonce: Buffer): Buffer {
  const start = Buffer.concat([sigma, key, nonce]);
  const x = Uint32Array.from({ length: 16 }, (_, i) => start.readUInt32LE(4 * i));
  start.fill(0);
  for (let round = 0; round < 10; round += 1) {
    for (const [a, b, c, d] of quarters) {
      step(x, [a, b, d], 16);
      step(x, [c, d, b], 12);
      step(x, [a, b, d], 8);
      step(x, [c, d, b], 7);
    }
  }
  const out = Buffer.alloc(32);
  for (let i = 0; i < 4; i += 1) {
    out.writeUInt32LE(x[i] ?? 0, 4 * i);
    out.writeUInt32LE(x[12 + i] ?? 0, 16 + 4 * i);
  }
  x.fill(0);
  return out;
}

/** The plaintext of ciphertext ‖ tag, or undefined if the tag does not match. */
export function openXchacha(
  key: Buffer,
  nonce: Buffer,
  aad: Buffer,
  sealed: Buffer,
): Buffer | undefined {
  const end = sealed.length - tagBytes;
  if (end < 0) return undefined;
  const subkey = hchacha20(key, nonce.subarray(0, 16));
  const shortNonce = Buffer.concat([Buffer.alloc(4), nonce.subarray(16)]);
  const options = { authTagLength: tagBytes } as const;
  const decipher = createDecipheriv('chacha20-poly1305', subkey, shortNonce, options);
  subkey.fill(0);
  decipher.setAAD(aad, { plaintextLength: end });
  return openSealed(decipher, sealed);
}
