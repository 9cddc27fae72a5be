// The unwrapping command of audit/verifier on the tokens that this machine has: what a real key store wrapped,
// by AES-GCM and by AES-KWP, opens through it, and a changed wrap is the token's refusal.
import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import pkcs11js from 'pkcs11js';
import type { Export } from '../../audit/verifier/export-file.ts';
import { CannotRun } from '../../audit/verifier/finding.ts';
import { openLeafKey, purposes } from '../../audit/verifier/key-chain.ts';
import { Refused } from '../../audit/verifier/refused.ts';
import { unwrapBy } from '../../audit/verifier/unwrap-command.ts';
import { wrapKey } from '../../src/vault/formats/wrap.ts';
import type { Purpose } from '../../src/vault/formats/purposes.ts';
import { kekContextBytes } from '../../src/vault/keys/kek-blob.ts';
import type { KeyStore } from '../../src/vault/keys/key-store.ts';
import { loadProfile } from '../../src/vault/pkcs11/profile.ts';
import { buildFaultyModule } from '../harness/faulty-module.ts';
import { describeIf, findProgram } from '../harness/needs.ts';
import { moduleOf, newKeysFolder, openTestToken } from '../harness/token.ts';

const organisation = randomUUID();
const custodian = randomUUID();
const generation = 7;
const key = { ck: randomBytes(32), group: randomBytes(32), dek: randomBytes(32) };
const id = { ck: randomUUID(), group: randomUUID(), content: randomUUID() };

/** An export whose custodian key a token has wrapped, and its one body. */
async function chainUnder(store: KeyStore): Promise<Export> {
  const kek = await store.ensureKek(generation);
  const context = kekContextBytes({
    purpose: 'custodian-key',
    organisationId: organisation,
    ownerId: custodian,
    keyId: id.ck,
    generation,
    version: 1,
  });
  const wrapped = (parent: 'ck' | 'group', purpose: Purpose, object: string, value: Buffer) => {
    const names = { purpose, custodianId: custodian, parentVersion: 1, objectId: object };
    const bytes = wrapKey(
      key[parent],
      { ...names, parentKeyId: id[parent] },
      randomBytes(24),
      value,
    );
    return Buffer.from(bytes);
  };
  const place = { pack: randomUUID(), size: 0, offset: 32, length: 84, digest: randomBytes(32) };
  return {
    organisation,
    custodian,
    custodianKeys: [
      { key: id.ck, version: 1, generation, wrap: await store.wrap(kek.id, context, key.ck) },
    ],
    groupKeys: [
      {
        group: 0,
        key: id.group,
        version: 1,
        wrap: wrapped('ck', 'group-key', id.group, key.group),
      },
    ],
    bodies: [
      {
        content: id.content,
        group: 0,
        ...place,
        wrap: wrapped('group', 'dek', id.content, key.dek),
      },
    ],
    records: [],
    cells: [],
    pages: [],
  };
}

const open = (from: Export, command: string): Buffer => {
  const [body] = from.bodies;
  const { group, wrap, content } = body!;
  const leaf = { group, wrap, purpose: purposes.dek, object: content };
  return openLeafKey(from, leaf, unwrapBy(command));
};

function changed(from: Export): Export {
  const [row] = from.custodianKeys;
  const wrap = Buffer.from(row!.wrap);
  wrap[20] = wrap[20]! ^ 1;
  return { ...from, custodianKeys: [{ ...row!, wrap }] };
}

const script = join(import.meta.dirname, '../../audit/verifier/unwrap-pkcs11.py');
const python = findProgram('python3') !== undefined;
const softhsm = moduleOf('softhsm2');
const nss = moduleOf('nss-softokn');
/** As an operator would type it; a PIN in `pin` instead of the file of the token. */
const command = (
  profile: string,
  module: string,
  folder: string,
  pin = join(folder, 'user.pin'),
) =>
  profile === 'softhsm2'
    ? `SOFTHSM2_CONF='${folder}/softhsm2.conf' python3 '${script}' --module '${module}' --token postseal --pin-file '${pin}' 2>/dev/null`
    : `python3 '${script}' --module '${module}' --slot 2 --pin-file '${pin}' --init-args "${(
        loadProfile(profile).libraryParameters ?? ''
      ).replaceAll('{folder}', join(folder, 'token'))}" 2>/dev/null`;

describe.each([
  ['softhsm2', softhsm],
  ['nss-softokn', nss],
] as const)('%s', (profile, module) => {
  describeIf(python && module !== undefined, 'no module or no python3', 'AES-GCM', () => {
    const folder = newKeysFolder();
    let from: Export;
    test('opens what the key store wrapped', async () => {
      const store = await openTestToken(profile, folder, organisation);
      from = await chainUnder(store);
      await store.close();
      expect(from.custodianKeys[0]!.wrap).toHaveLength(62);
      expect(open(from, command(profile, module!, folder)).equals(key.dek)).toBe(true);
    });

    test('a changed wrap is refused, a key that is not there is none of its business', () => {
      const asked = command(profile, module!, folder);
      expect(() => open(changed(from), asked)).toThrow(Refused);
      const [row] = from.custodianKeys;
      const later = { ...from, custodianKeys: [{ ...row!, generation: 8 }] };
      expect(() => open(later, asked)).toThrow(CannotRun);
      expect(() => open(from, command(profile, module!, folder, '/dev/null'))).toThrow(CannotRun);
    });
  });
});

const both = python && nss !== undefined && findProgram('cc') !== undefined;
describeIf(both, 'no NSS, no cc or no python3', 'AES-KWP', () => {
  const faulty = buildFaultyModule(nss ?? '');
  afterAll(() => {
    faulty.remove();
  });

  test('opens what a token without AES-GCM wrapped, and refuses what was changed', async () => {
    const folder = newKeysFolder();
    faulty.set(`mechanism hide ${pkcs11js.CKM_AES_GCM}`);
    const { module } = faulty;
    const store = await openTestToken('nss-softokn', folder, organisation, { module });
    const from = await chainUnder(store);
    await store.close();
    expect(from.custodianKeys[0]!.wrap).toHaveLength(74);
    const asked = command('nss-softokn', nss!, folder);
    expect(open(from, asked).equals(key.dek)).toBe(true);
    expect(open(from, `${asked} --kwp-mechanism 0x210b`).equals(key.dek)).toBe(true);
    expect(() => open(changed(from), asked)).toThrow(Refused);
    const other = { ...from, custodianKeys: [{ ...from.custodianKeys[0]!, key: randomUUID() }] };
    expect(() => open(other, asked)).toThrow(/not the custodian key/);
  });
});
