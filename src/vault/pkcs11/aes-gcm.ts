// AES-256-GCM inside the token, with associated data. CK_GCM_PARAMS exists in two layouts (PKCS #11
// v2.20 amendment and v2.40); NSS takes only the second, some devices only the first.
// Source: PKCS #11 v2.40 mechanisms §2.12.
import { randomBytes } from 'node:crypto';
import pkcs11js from 'pkcs11js';
import type { Mechanism, PKCS11 } from 'pkcs11js';
import { PostsealError } from '../../kernel/errors.ts';
import {
  encodeKekBlob,
  gcmAssociatedData,
  gcmNonceBytes,
  gcmTagBytes,
  type KekBlob,
} from '../keys/kek-blob.ts';
import { keptAlive } from './kept-alive.ts';
import type { KekCall, KekCipher } from './kek-cipher.ts';

export type GcmLayout = 'v2.20' | 'v2.40';

const layoutTypes = {
  'v2.20': pkcs11js.CK_PARAMS_AES_GCM,
  'v2.40': pkcs11js.CK_PARAMS_AES_GCM_v240,
} as const;

/** AES-GCM with one parameter layout. */
export function tokenGcm(api: PKCS11, layout: GcmLayout): KekCipher {
  const mechanism = (call: KekCall, nonce: Buffer): Mechanism => {
    const parameter = {
      type: layoutTypes[layout],
      iv: nonce,
      aad: gcmAssociatedData(call.context),
      ivBits: gcmNonceBytes * 8,
      tagBits: gcmTagBytes * 8,
    };
    return { mechanism: pkcs11js.CKM_AES_GCM, parameter };
  };
  return {
    suite: 'aes-gcm',
    mechanism: `AES-GCM (CK_GCM_PARAMS ${layout})`,
    seal: async (call, key32) => {
      const nonce = randomBytes(gcmNonceBytes);
      api.C_EncryptInit(call.session, mechanism(call, nonce), call.key);
      // Room for a token that adds a nonce of its own, so that this is seen and not cut off.
      const room = Buffer.alloc(key32.length + 3 * gcmTagBytes);
      const sealed = await keptAlive(key32, api.C_EncryptAsync(call.session, key32, room));
      if (sealed.length !== key32.length + gcmTagBytes) throw otherLength(sealed.length);
      return encodeKekBlob({ suite: 'aes-gcm', nonce, sealed });
    },
    open: async (call, blob) => {
      const { nonce, sealed } = partsOf(blob);
      api.C_DecryptInit(call.session, mechanism(call, nonce), call.key);
      const room = Buffer.alloc(sealed.length + gcmTagBytes);
      return keptAlive(sealed, api.C_DecryptAsync(call.session, sealed, room));
    },
  };
}

function partsOf(blob: KekBlob): { nonce: Buffer; sealed: Buffer } {
  if (blob.suite === 'aes-gcm') return blob;
  throw new PostsealError('internal', { suite: blob.suite });
}

/** A token that makes its own nonce, as Luna does in FIPS mode, would have used another than ours. */
function otherLength(length: number): PostsealError {
  return new PostsealError('key.token', { reason: 'gcm-length', length });
}
