// What a key-encryption key does inside the token, whatever the mechanism: seal 32 bytes bound to a
// context, open them, and refuse everything else. Blobs: docs/formats/kek-wrap.md.
import { randomBytes } from 'node:crypto';
import type { Handle } from 'pkcs11js';
import { decodeKekBlob, type KekBlob, type KekSuite } from '../keys/kek-blob.ts';
import { isDeviceGone } from './token-errors.ts';

export interface KekCall {
  readonly session: Handle;
  readonly key: Handle;
  /** What the wrap is bound to. */
  readonly context: Uint8Array;
}

export interface KekCipher {
  readonly suite: KekSuite;
  /** For status and reports, as `AES-GCM (CK_GCM_PARAMS v2.40)`. */
  readonly mechanism: string;
  /** The blob. Does not keep or zero `key32`. */
  seal(call: KekCall, key32: Buffer): Promise<Buffer>;
  /** Fails with the token's own error, see `mayBeBadTag`, or with an IntegrityError. */
  open(call: KekCall, blob: KekBlob): Promise<Buffer>;
}

/**
 * True if a round trip works and neither another context nor a changed blob opens.
 * @throws what the token answered when it is gone, which says nothing about its mechanism.
 */
export async function proveCipher(
  cipher: KekCipher,
  session: Handle,
  key: Handle,
): Promise<boolean> {
  const call = { session, key, context: randomBytes(24) };
  const secret = randomBytes(32);
  try {
    const blob = await cipher.seal(call, secret);
    if (!(await cipher.open(call, decodeKekBlob(blob))).equals(secret)) return false;
    const other = { ...call, context: randomBytes(24) };
    if (!(await refuses(cipher, other, blob))) return false;
    // The first and the last byte behind the head: a nonce that is ignored, a tag that is not checked.
    for (const at of [2, blob.length - 1]) {
      const changed = Buffer.from(blob);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      if (!(await refuses(cipher, call, changed))) return false;
    }
    return true;
  } catch (error) {
    if (isDeviceGone(error)) throw error;
    // This token does not do it in this way; the caller tries the next and reports if none is left.
    return false;
  } finally {
    secret.fill(0);
  }
}

/** `proveCipher` for a key that has worked before: false also when the token is gone. */
export async function isSound(cipher: KekCipher, session: Handle, key: Handle): Promise<boolean> {
  try {
    return await proveCipher(cipher, session, key);
  } catch {
    // Whoever asks has an error of its own to report.
    return false;
  }
}

async function refuses(cipher: KekCipher, call: KekCall, blob: Buffer): Promise<boolean> {
  try {
    await cipher.open(call, decodeKekBlob(blob));
    return false;
  } catch (error) {
    if (isDeviceGone(error)) throw error;
    // Refusing is what is asked for here.
    return true;
  }
}
