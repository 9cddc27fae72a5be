// Every object of the token as its attributes say it is; values are never asked for, not even of public keys.
// Source: PKCS #11 v2.40 §4.4, §4.9 (attributes).
import pkcs11js from 'pkcs11js';
import type { Handle, PKCS11 } from 'pkcs11js';
import type { StoredKey } from '../keys/key-store.ts';
import { flag } from './token-keys.ts';

const classes = new Map<number, StoredKey['class']>([
  [pkcs11js.CKO_SECRET_KEY, 'secret'],
  [pkcs11js.CKO_PRIVATE_KEY, 'private'],
  [pkcs11js.CKO_PUBLIC_KEY, 'public'],
]);

const usages = [
  ['encrypt', pkcs11js.CKA_ENCRYPT],
  ['decrypt', pkcs11js.CKA_DECRYPT],
  ['wrap', pkcs11js.CKA_WRAP],
  ['unwrap', pkcs11js.CKA_UNWRAP],
  ['sign', pkcs11js.CKA_SIGN],
  ['verify', pkcs11js.CKA_VERIFY],
  ['derive', pkcs11js.CKA_DERIVE],
] as const;

const pageObjects = 64;

/** All objects that lie in the token, in the order in which it gives them. */
export function listKeys(api: PKCS11, session: Handle): StoredKey[] {
  const handles: Handle[] = [];
  api.C_FindObjectsInit(session, [{ type: pkcs11js.CKA_TOKEN, value: true }]);
  try {
    for (let page: Handle[]; (page = api.C_FindObjects(session, pageObjects)).length > 0;) {
      handles.push(...page);
    }
  } finally {
    api.C_FindObjectsFinal(session);
  }
  return handles.map((handle) => describe(api, session, handle));
}

function describe(api: PKCS11, session: Handle, key: Handle): StoredKey {
  const is = (type: number): boolean | undefined => flag(api, session, key, type);
  const [objectClass, label] = api.C_GetAttributeValue(session, key, [
    { type: pkcs11js.CKA_CLASS },
    { type: pkcs11js.CKA_LABEL },
  ]);
  return {
    label: label?.value.toString('utf8') ?? '',
    class: classes.get(numberOf(objectClass?.value)) ?? 'other',
    sensitive: is(pkcs11js.CKA_SENSITIVE),
    alwaysSensitive: is(pkcs11js.CKA_ALWAYS_SENSITIVE),
    extractable: is(pkcs11js.CKA_EXTRACTABLE),
    neverExtractable: is(pkcs11js.CKA_NEVER_EXTRACTABLE),
    local: is(pkcs11js.CKA_LOCAL),
    usages: usages.flatMap(([name, type]) => (is(type) === true ? [name] : [])),
  };
}

/** A CK_ULONG, in the byte order of this machine, which is little-endian wherever Postseal runs. */
function numberOf(value: Buffer | undefined): number {
  return value === undefined || value.length < 4 ? -1 : value.readUInt32LE(0);
}
