// Which mechanism a KEK works with: the first of the profile's that the token offers and that proves, on a
// session key, to authenticate and to bind the context. What only encrypts (AES-CBC, AES-ECB) or wraps
// without a bound context is refused: docs/architecture.md §3, docs/formats/kek-wrap.md.
import pkcs11js from 'pkcs11js';
import type { Handle, PKCS11 } from 'pkcs11js';
import { PostsealError } from '../../kernel/errors.ts';
import type { KekSuite } from '../keys/kek-blob.ts';
import { tokenGcm } from './aes-gcm.ts';
import { kwpOfStandard, tokenKwp } from './aes-kwp.ts';
import { type KekCipher, proveCipher } from './kek-cipher.ts';
import type { TokenProfile } from './profile.ts';

export interface KekCiphers {
  /** New wraps are made with this one. */
  readonly live: KekCipher;
  /** @throws PostsealError `key.mechanism` when this token does not do the suite. */
  of(suite: KekSuite): KekCipher;
}

/** How a suite may be done, best first; the mechanism must be in the token's list. */
const candidates: Readonly<
  Record<KekSuite, (api: PKCS11, profile: TokenProfile) => readonly [number, KekCipher][]>
> = {
  'aes-gcm': (api, { gcmParameters }) => {
    const layouts = gcmParameters === 'probe' ? (['v2.40', 'v2.20'] as const) : [gcmParameters];
    return layouts.map((layout) => [pkcs11js.CKM_AES_GCM, tokenGcm(api, layout)]);
  },
  'aes-kwp': (api, { kwpMechanism }) =>
    [...new Set([kwpOfStandard, kwpMechanism ?? kwpOfStandard])].map((type) => [
      type,
      tokenKwp(api, type),
    ]),
};

/** What a refusal names: mechanisms that encrypt or wrap with AES and are not enough. */
const insufficient: Readonly<Record<number, string>> = {
  [pkcs11js.CKM_AES_ECB]: 'AES-ECB',
  [pkcs11js.CKM_AES_CBC]: 'AES-CBC',
  [pkcs11js.CKM_AES_CBC_PAD]: 'AES-CBC-PAD',
  [pkcs11js.CKM_AES_CTR]: 'AES-CTR',
  [pkcs11js.CKM_AES_KEY_WRAP]: 'AES-KEY-WRAP',
  [pkcs11js.CKM_AES_KEY_WRAP_PAD]: 'AES-KEY-WRAP-PAD',
};

/** @throws PostsealError `key.mechanism` if no mechanism is good enough. */
export async function chooseCiphers(
  api: PKCS11,
  at: { readonly slot: Handle; readonly session: Handle },
  profile: TokenProfile,
): Promise<KekCiphers> {
  const offered = new Set(api.C_GetMechanismList(at.slot));
  const key = await sessionKey(api, at.session);
  const sound = new Map<KekSuite, KekCipher>();
  try {
    for (const suite of profile.kekMechanisms) {
      for (const [type, cipher] of candidates[suite](api, profile)) {
        if (sound.has(suite) || !offered.has(type)) continue;
        if (await proveCipher(cipher, at.session, key)) sound.set(suite, cipher);
      }
    }
  } finally {
    api.C_DestroyObject(at.session, key);
  }
  const [live] = sound.values();
  if (live === undefined) throw noneGoodEnough(profile, offered);
  return {
    live,
    of: (suite) => {
      const cipher = sound.get(suite);
      if (cipher === undefined) throw new PostsealError('key.mechanism', { needs: suite });
      return cipher;
    },
  };
}

/** A key like a KEK that is gone with its session. */
function sessionKey(api: PKCS11, session: Handle): Promise<Handle> {
  return api.C_GenerateKeyAsync(session, { mechanism: pkcs11js.CKM_AES_KEY_GEN }, [
    { type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_SECRET_KEY },
    { type: pkcs11js.CKA_KEY_TYPE, value: pkcs11js.CKK_AES },
    { type: pkcs11js.CKA_VALUE_LEN, value: 32 },
    { type: pkcs11js.CKA_TOKEN, value: false },
    { type: pkcs11js.CKA_SENSITIVE, value: true },
    { type: pkcs11js.CKA_EXTRACTABLE, value: false },
    { type: pkcs11js.CKA_ENCRYPT, value: true },
    { type: pkcs11js.CKA_DECRYPT, value: true },
  ]);
}

function noneGoodEnough(profile: TokenProfile, offered: ReadonlySet<number>): PostsealError {
  const named = Object.entries(insufficient).filter(([type]) => offered.has(Number(type)));
  return new PostsealError('key.mechanism', {
    profile: profile.name,
    needs: profile.kekMechanisms.join(' or '),
    refused: named.map(([, name]) => name).join(', '),
  });
}
