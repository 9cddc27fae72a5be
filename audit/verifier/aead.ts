// The end of every authenticated decryption here: all of it, or nothing.
import type { DecipherGCM } from 'node:crypto';

/** Octets of the tag behind a ciphertext, for both suites. */
export const tagBytes = 16;

/** The part of a decipher of node:crypto that both suites have. */
type Decipher = Pick<DecipherGCM, 'update' | 'final'> & { setAuthTag(tag: Buffer): unknown };

/** The plaintext of ciphertext ‖ tag, or undefined if the tag does not match. */
export function openSealed(decipher: Decipher, sealed: Buffer): Buffer | undefined {
  const end = sealed.length - tagBytes;
  decipher.setAuthTag(sealed.subarray(end));
  const plain = decipher.update(sealed.subarray(0, end));
  try {
    decipher.final();
  } catch {
    // Only the tag can fail here; what was decrypted without it is thrown away.
    plain.fill(0);
    return undefined;
  }
  return plain;
}
