// Keys inside the token: how a key-encryption key and a signing key are found, made and checked. A key
// of our name that could be read out, or that came from outside, is refused, never used.
// Source: PKCS #11 v2.40 §4.9–4.10 (attributes), docs/formats/kek-wrap.md (names of keys).
import { createHash } from 'node:crypto';
import pkcs11js from 'pkcs11js';
import type { Handle, KeyPair, PKCS11, Template } from 'pkcs11js';
import { PostsealError } from '../../kernel/errors.ts';
import type { TokenProfile } from './profile.ts';

/** DER of the object identifier prime256v1. */
const prime256v1 = Buffer.from('06082a8648ce3d030107', 'hex');

/** CKA_ID of a label; both halves of a pair carry it. */
function idOf(label: string): Buffer {
  return createHash('sha256').update(label).digest().subarray(0, 16);
}

/** The KEK of this name, or undefined. @throws PostsealError `key.token` for two, or for a weak one. */
export function findKek(
  api: PKCS11,
  session: Handle,
  label: string,
  profile: TokenProfile,
): Handle | undefined {
  const key = findOne(api, session, pkcs11js.CKO_SECRET_KEY, label);
  if (key !== undefined) checkKek(api, session, key, label, profile);
  return key;
}

/** Makes an AES-256 key that encrypts and decrypts and can do nothing else, not even leave. */
export async function createKek(
  api: PKCS11,
  session: Handle,
  label: string,
  profile: TokenProfile,
): Promise<Handle> {
  const key = await api.C_GenerateKeyAsync(session, { mechanism: pkcs11js.CKM_AES_KEY_GEN }, [
    { type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_SECRET_KEY },
    { type: pkcs11js.CKA_KEY_TYPE, value: pkcs11js.CKK_AES },
    { type: pkcs11js.CKA_VALUE_LEN, value: 32 },
    { type: pkcs11js.CKA_LABEL, value: label },
    { type: pkcs11js.CKA_ID, value: idOf(label) },
    { type: pkcs11js.CKA_TOKEN, value: true },
    ...keptInside,
    { type: pkcs11js.CKA_ENCRYPT, value: true },
    { type: pkcs11js.CKA_DECRYPT, value: true },
    { type: pkcs11js.CKA_WRAP, value: false },
    { type: pkcs11js.CKA_UNWRAP, value: false },
    { type: pkcs11js.CKA_SIGN, value: false },
    { type: pkcs11js.CKA_VERIFY, value: false },
  ]);
  checkKek(api, session, key, label, profile);
  return key;
}

const keptInside: Template = [
  { type: pkcs11js.CKA_PRIVATE, value: true },
  { type: pkcs11js.CKA_SENSITIVE, value: true },
  { type: pkcs11js.CKA_EXTRACTABLE, value: false },
  { type: pkcs11js.CKA_MODIFIABLE, value: false },
];

/** The signing pair of this name, or undefined. */
export function findPair(
  api: PKCS11,
  session: Handle,
  label: string,
  profile: TokenProfile,
): KeyPair | undefined {
  const privateKey = findOne(api, session, pkcs11js.CKO_PRIVATE_KEY, label);
  const publicKey = findOne(api, session, pkcs11js.CKO_PUBLIC_KEY, label);
  if (privateKey === undefined || publicKey === undefined) return undefined;
  checkInside(api, session, privateKey, label, profile);
  return { privateKey, publicKey };
}

/** Makes an ECDSA P-256 pair whose private half only signs. */
export async function createPair(
  api: PKCS11,
  session: Handle,
  label: string,
  profile: TokenProfile,
): Promise<KeyPair> {
  const shared: Template = [
    { type: pkcs11js.CKA_KEY_TYPE, value: pkcs11js.CKK_EC },
    { type: pkcs11js.CKA_LABEL, value: label },
    { type: pkcs11js.CKA_ID, value: idOf(label) },
    { type: pkcs11js.CKA_TOKEN, value: true },
  ];
  const pair = await api.C_GenerateKeyPairAsync(
    session,
    { mechanism: pkcs11js.CKM_EC_KEY_PAIR_GEN },
    [
      { type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_PUBLIC_KEY },
      ...shared,
      { type: pkcs11js.CKA_EC_PARAMS, value: prime256v1 },
      { type: pkcs11js.CKA_VERIFY, value: true },
    ],
    [
      { type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_PRIVATE_KEY },
      ...shared,
      ...keptInside,
      { type: pkcs11js.CKA_SIGN, value: true },
    ],
  );
  checkInside(api, session, pair.privateKey, label, profile);
  return pair;
}

/** The public point, 65 bytes `04 ‖ x ‖ y`; some modules leave out the DER OCTET STRING around it. */
export function readPoint(api: PKCS11, session: Handle, publicKey: Handle): Buffer {
  const [attribute] = api.C_GetAttributeValue(session, publicKey, [
    { type: pkcs11js.CKA_EC_POINT },
  ]);
  const value = attribute?.value ?? Buffer.alloc(0);
  const point =
    value.length === 67 && value[0] === 0x04 && value[1] === 65 ? value.subarray(2) : value;
  if (point.length !== 65 || point[0] !== 0x04) {
    throw new PostsealError('key.token', { reason: 'ec-point', length: value.length });
  }
  return point;
}

function findOne(
  api: PKCS11,
  session: Handle,
  objectClass: number,
  label: string,
): Handle | undefined {
  api.C_FindObjectsInit(session, [
    { type: pkcs11js.CKA_CLASS, value: objectClass },
    { type: pkcs11js.CKA_TOKEN, value: true },
    { type: pkcs11js.CKA_LABEL, value: label },
  ]);
  try {
    const found = api.C_FindObjects(session, 2);
    // Two keys of one name: which one made the wraps cannot be known, so neither is used.
    if (found.length > 1) throw new PostsealError('key.token', { reason: 'ambiguous', label });
    return found[0];
  } finally {
    api.C_FindObjectsFinal(session);
  }
}

function checkKek(
  api: PKCS11,
  session: Handle,
  key: Handle,
  label: string,
  profile: TokenProfile,
): void {
  checkInside(api, session, key, label, profile);
  for (const [type, name] of forbidden) {
    if (flag(api, session, key, type) === true) throw weak(label, name);
  }
}

const forbidden = [
  [pkcs11js.CKA_WRAP, 'wrap'],
  [pkcs11js.CKA_UNWRAP, 'unwrap'],
  [pkcs11js.CKA_SIGN, 'sign'],
  [pkcs11js.CKA_DERIVE, 'derive'],
] as const;

function checkInside(
  api: PKCS11,
  session: Handle,
  key: Handle,
  label: string,
  profile: TokenProfile,
): void {
  const required: readonly (readonly [number, boolean, string])[] = [
    [pkcs11js.CKA_SENSITIVE, true, 'sensitive'],
    [pkcs11js.CKA_EXTRACTABLE, false, 'extractable'],
    [pkcs11js.CKA_ALWAYS_SENSITIVE, true, 'always-sensitive'],
    [pkcs11js.CKA_NEVER_EXTRACTABLE, true, 'never-extractable'],
  ];
  for (const [type, value, name] of required) {
    if (flag(api, session, key, type) !== value) throw weak(label, name);
  }
  if (profile.reportsLocal && flag(api, session, key, pkcs11js.CKA_LOCAL) !== true) {
    throw weak(label, 'local');
  }
}

function weak(label: string, attribute: string): PostsealError {
  return new PostsealError('key.token', { reason: 'weak-key', label, attribute });
}

/** A boolean attribute; undefined where the token does not keep it for this kind of key. */
export function flag(api: PKCS11, session: Handle, key: Handle, type: number): boolean | undefined {
  try {
    const [attribute] = api.C_GetAttributeValue(session, key, [{ type }]);
    return attribute === undefined ? undefined : attribute.value[0] === 1;
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (code === pkcs11js.CKR_ATTRIBUTE_TYPE_INVALID) return undefined;
    throw error;
  }
}
