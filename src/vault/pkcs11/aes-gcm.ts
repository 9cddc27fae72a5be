// AES-256-GCM inside the token, with associated data. CK_GCM_PARAMS exists in two layouts (PKCS #11
// v2.20 amendment and v2.40); NSS takes only the second, some devices only the first. The choice is
// proved on a session key before any key is wrapped. Source: PKCS #11 v2.40 mechanisms §2.12.
import { randomBytes } from 'node:crypto';
import pkcs11js from 'pkcs11js';
import type { Handle, Mechanism, PKCS11 } from 'pkcs11js';
import { PostsealError } from '../../kernel/errors.ts';
import { gcmNonceBytes, gcmTagBytes } from '../keys/kek-blob.ts';
import { keptAlive } from './kept-alive.ts';
import type { TokenProfile } from './profile.ts';

export interface GcmCall {
  readonly session: Handle;
  readonly key: Handle;
  readonly nonce: Buffer;
  readonly aad: Buffer;
}

export interface TokenGcm {
  readonly layout: 'v2.20' | 'v2.40';
  /** Ciphertext and tag. */
  encrypt(call: GcmCall, plaintext: Buffer): Promise<Buffer>;
  /** Fails with the token's own error, see `mayBeBadTag`. */
  decrypt(call: GcmCall, sealed: Buffer): Promise<Buffer>;
}

const layoutTypes = {
  'v2.20': pkcs11js.CK_PARAMS_AES_GCM,
  'v2.40': pkcs11js.CK_PARAMS_AES_GCM_v240,
} as const;

/** AES-GCM with one parameter layout. */
export function tokenGcm(api: PKCS11, layout: 'v2.20' | 'v2.40'): TokenGcm {
  const mechanism = (call: GcmCall): Mechanism => {
    const parameter = {
      type: layoutTypes[layout],
      iv: call.nonce,
      aad: call.aad,
      ivBits: gcmNonceBytes * 8,
      tagBits: gcmTagBytes * 8,
    };
    return { mechanism: pkcs11js.CKM_AES_GCM, parameter };
  };
  return {
    layout,
    encrypt: async (call, plaintext) => {
      api.C_EncryptInit(call.session, mechanism(call), call.key);
      const room = Buffer.alloc(plaintext.length + 2 * gcmTagBytes);
      return keptAlive(plaintext, api.C_EncryptAsync(call.session, plaintext, room));
    },
    decrypt: async (call, sealed) => {
      api.C_DecryptInit(call.session, mechanism(call), call.key);
      const room = Buffer.alloc(sealed.length + gcmTagBytes);
      return keptAlive(sealed, api.C_DecryptAsync(call.session, sealed, room));
    },
  };
}

/**
 * The layout that this token really understands: the round trip works, and neither other associated
 * data nor another nonce opens the ciphertext. @throws PostsealError `key.token` if none does.
 */
export async function chooseGcm(
  api: PKCS11,
  session: Handle,
  profile: TokenProfile,
): Promise<TokenGcm> {
  const layouts =
    profile.gcmParameters === 'probe' ? (['v2.40', 'v2.20'] as const) : [profile.gcmParameters];
  const key = await api.C_GenerateKeyAsync(session, { mechanism: pkcs11js.CKM_AES_KEY_GEN }, [
    { type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_SECRET_KEY },
    { type: pkcs11js.CKA_KEY_TYPE, value: pkcs11js.CKK_AES },
    { type: pkcs11js.CKA_VALUE_LEN, value: 32 },
    { type: pkcs11js.CKA_TOKEN, value: false },
    { type: pkcs11js.CKA_ENCRYPT, value: true },
    { type: pkcs11js.CKA_DECRYPT, value: true },
  ]);
  try {
    for (const layout of layouts) {
      const gcm = tokenGcm(api, layout);
      if (await isSound(gcm, session, key)) return gcm;
    }
  } finally {
    api.C_DestroyObject(session, key);
  }
  throw new PostsealError('key.token', { reason: 'no-aes-gcm' });
}

/** True if encryption and decryption agree and both nonce and associated data bind. */
export async function isSound(gcm: TokenGcm, session: Handle, key: Handle): Promise<boolean> {
  const call = { session, key, nonce: randomBytes(gcmNonceBytes), aad: randomBytes(24) };
  const plaintext = randomBytes(32);
  try {
    const sealed = await gcm.encrypt(call, plaintext);
    if (sealed.length !== plaintext.length + gcmTagBytes) return false;
    if (!(await gcm.decrypt(call, sealed)).equals(plaintext)) return false;
    return (
      (await refuses(gcm, { ...call, aad: randomBytes(24) }, sealed)) &&
      (await refuses(gcm, { ...call, nonce: randomBytes(gcmNonceBytes) }, sealed))
    );
  } catch {
    // This token does not take this layout; the caller tries the next and reports if none is left.
    return false;
  }
}

async function refuses(gcm: TokenGcm, call: GcmCall, sealed: Buffer): Promise<boolean> {
  try {
    await gcm.decrypt(call, sealed);
    return false;
  } catch {
    // Refusing is what is asked for here.
    return true;
  }
}
