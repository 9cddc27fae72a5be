// AES-KWP (RFC 5649, NIST SP 800-38F §6.3) inside the token, as C_Encrypt over bytes: for tokens without
// a usable AES-GCM. It has no associated data, so a digest of the context is encrypted behind the key and
// compared after opening; KWP lets nobody change a bit of either. C_WrapKey is not used: it would need a
// KEK that may wrap, and keys that may leave.
import { timingSafeEqual } from 'node:crypto';
import type { PKCS11 } from 'pkcs11js';
import { PostsealError } from '../../kernel/errors.ts';
import { encodeKekBlob, kekTagFailure, kwpBinding, kwpBytes } from '../keys/kek-blob.ts';
import { keptAlive } from './kept-alive.ts';
import type { KekCipher } from './kek-cipher.ts';

/** CKM_AES_KEY_WRAP_KWP of PKCS #11 v3.0; pkcs11js has no name for it. */
export const kwpOfStandard = 0x210b;
const keyBytes = 32;

/** @param type the standard's number, or the vendor's from the profile. */
export function tokenKwp(api: PKCS11, type: number): KekCipher {
  const mechanism = { mechanism: type };
  return {
    suite: 'aes-kwp',
    mechanism: `AES-KWP (0x${type.toString(16)})`,
    seal: async (call, key32) => {
      const plaintext = Buffer.concat([key32, kwpBinding(call.context)]);
      try {
        api.C_EncryptInit(call.session, mechanism, call.key);
        const room = Buffer.alloc(kwpBytes + 16);
        const sealed = await keptAlive(
          plaintext,
          api.C_EncryptAsync(call.session, plaintext, room),
        );
        if (sealed.length !== kwpBytes) {
          throw new PostsealError('key.token', { reason: 'kwp-length', length: sealed.length });
        }
        return encodeKekBlob({ suite: 'aes-kwp', sealed });
      } finally {
        plaintext.fill(0);
      }
    },
    open: async (call, { sealed }) => {
      api.C_DecryptInit(call.session, mechanism, call.key);
      const room = Buffer.alloc(kwpBytes + 16);
      const opened = await keptAlive(sealed, api.C_DecryptAsync(call.session, sealed, room));
      try {
        const binding = opened.subarray(keyBytes);
        const bound = kwpBinding(call.context);
        if (opened.length !== keyBytes + bound.length) throw kekTagFailure();
        if (!timingSafeEqual(binding, bound)) throw kekTagFailure();
        return Buffer.from(opened.subarray(0, keyBytes));
      } finally {
        opened.fill(0);
      }
    },
  };
}
