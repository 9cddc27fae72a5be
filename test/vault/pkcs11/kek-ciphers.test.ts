// Which mechanism a KEK works with, by what the token offers: the contract without AES-GCM, the refusal of
// everything that does not authenticate, and AES-KWP against vectors that node:crypto opens as well.
import { createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from '@jest/globals';
import pkcs11js from 'pkcs11js';
import { uuidV4 } from '../../../src/kernel/ids.ts';
import type { Purpose } from '../../../src/vault/formats/purposes.ts';
import { openWithKek } from '../../../src/vault/keyfile/keyfile-store.ts';
import { decodeKekBlob, kekContextBytes } from '../../../src/vault/keys/kek-blob.ts';
import { kwpOfStandard, tokenKwp } from '../../../src/vault/pkcs11/aes-kwp.ts';
import { loadProfile } from '../../../src/vault/pkcs11/profile.ts';
import { keyStoreContract } from '../../contract/key-store.contract.ts';
import { buildFaultyModule, type Fault } from '../../harness/faulty-module.ts';
import { describeWith } from '../../harness/needs.ts';
import { moduleOf, newKeysFolder, openTestToken } from '../../harness/token.ts';

interface KwpVector {
  readonly name: string;
  readonly expect: 'ok' | 'tag' | 'format';
  readonly purpose: Purpose;
  readonly organisationId: string;
  readonly ownerId: string;
  readonly keyId: string;
  readonly generation: number;
  readonly version: number;
  readonly kek: string;
  readonly key: string;
  readonly aad: string;
  readonly blob: string;
}

const organisation = uuidV4(randomBytes(16));
const unhex = (text: string): Buffer => Buffer.from(text, 'hex');
const hideGcm: Fault = `mechanism hide ${pkcs11js.CKM_AES_GCM}`;
const hideKwp: Fault = `mechanism hide ${kwpOfStandard}`;
const nss = moduleOf('nss-softokn');
const softhsm = moduleOf('softhsm2');
const { vectors } = JSON.parse(
  readFileSync(new URL('../../vectors/kek-wrap/kwp.json', import.meta.url), 'utf8'),
) as { vectors: readonly KwpVector[] };

describe('docs/formats/kek-wrap.md, suite 3', () => {
  test('the page alone is enough to read a wrap', () => {
    const page = readFileSync(
      new URL('../../../docs/formats/kek-wrap.md', import.meta.url),
      'utf8',
    );
    for (const v of vectors.filter((one) => one.expect === 'ok')) {
      const blob = unhex(v.blob);
      const iv = Buffer.from('a65959a6', 'hex');
      const decipher = createDecipheriv('id-aes256-wrap-pad', unhex(v.kek), iv);
      const opened = Buffer.concat([decipher.update(blob.subarray(2)), decipher.final()]);
      const bound = [Buffer.from('postseal/kek-wrap/1'), blob.subarray(0, 2), unhex(v.aad)];
      const binding = createHash('sha256').update(Buffer.concat(bound)).digest('hex');
      expect(opened.toString('hex')).toBe(v.key + binding);
    }
    expect(page).toContain(vectors[0]?.blob);
  });

  test('a key file does not take one for its own', () => {
    const [v] = vectors;
    expect(() => openWithKek(unhex(v!.kek), unhex(v!.aad), unhex(v!.blob))).toThrow(
      expect.objectContaining({ code: 'integrity.format' }),
    );
  });
});

describe('AES-KWP in a token', () => {
  if (nss === undefined) {
    test.skip('[skipped: no NSS]', () => undefined);
    return;
  }
  const api = new pkcs11js.PKCS11();
  api.load(nss);
  const { libraryParameters = '' } = loadProfile('nss-softokn');
  api.C_Initialize({
    flags: pkcs11js.CKF_OS_LOCKING_OK,
    libraryParameters: libraryParameters.replaceAll('{folder}', newKeysFolder()),
  });
  afterAll(() => api.C_Finalize());
  const [slot] = api.C_GetSlotList(true);
  const session = api.C_OpenSession(slot!, pkcs11js.CKF_SERIAL_SESSION);
  const cipher = tokenKwp(api, kwpOfStandard);
  const put = (kek: Buffer): pkcs11js.Handle =>
    api.C_CreateObject(session, [
      { type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_SECRET_KEY },
      { type: pkcs11js.CKA_KEY_TYPE, value: pkcs11js.CKK_AES },
      { type: pkcs11js.CKA_VALUE, value: kek },
      { type: pkcs11js.CKA_ENCRYPT, value: true },
      { type: pkcs11js.CKA_DECRYPT, value: true },
    ]);

  test.each(vectors)('vector $name', async (v) => {
    expect(Buffer.from(kekContextBytes(v)).toString('hex')).toBe(v.aad);
    const call = { session, key: put(unhex(v.kek)), context: unhex(v.aad) };
    const open = async (): Promise<Buffer> => cipher.open(call, decodeKekBlob(unhex(v.blob)));
    if (v.expect === 'ok') {
      expect((await open()).toString('hex')).toBe(v.key);
      expect((await cipher.seal(call, unhex(v.key))).toString('hex')).toBe(v.blob);
    } else if (v.expect === 'format') {
      await expect(open()).rejects.toMatchObject({ code: 'integrity.format' });
    } else {
      // A whole wrap of another key is for us to refuse, everything else for the token.
      const whole = v.name === 'kwp-other-context';
      const code = whole ? 'integrity.tag' : pkcs11js.CKR_ENCRYPTED_DATA_INVALID;
      await expect(open()).rejects.toMatchObject({ code });
    }
  });
});

describeWith(['cc'], 'a token without AES-GCM', () => {
  if (nss === undefined || softhsm === undefined) {
    test.skip('[skipped: no NSS or no SoftHSM]', () => undefined);
    return;
  }
  const faulty = buildFaultyModule(nss);
  faulty.set(hideGcm);
  const folder = newKeysFolder();
  const open = () => openTestToken('nss-softokn', folder, organisation, { module: faulty.module });
  afterAll(() => {
    faulty.remove();
  });

  keyStoreContract({ tokenClass: 'software-token', wrapBytes: 74, open });

  test('wraps of both suites open as long as the token does both', async () => {
    const context = Buffer.from('a context');
    const key = randomBytes(32);
    faulty.set(hideGcm);
    const first = await open();
    const { id } = await first.ensureKek(7);
    expect((await first.health()).mechanism).toBe('AES-KWP (0x210b)');
    const byKwp = await first.wrap(id, context, key);
    await first.close();
    faulty.clear();
    const second = await open();
    expect((await second.health()).mechanism).toBe('AES-GCM (CK_GCM_PARAMS v2.40)');
    const byGcm = await second.wrap(id, context, key);
    for (const blob of [byKwp, byGcm]) {
      expect((await second.unwrap(id, context, blob)).equals(key)).toBe(true);
    }
    await second.close();
    faulty.set(hideGcm);
    const third = await open();
    await expect(third.unwrap(id, context, byGcm)).rejects.toMatchObject({
      code: 'key.mechanism',
      fields: { needs: 'aes-gcm' },
    });
    expect((await third.unwrap(id, context, byKwp)).equals(key)).toBe(true);
    await third.close();
  });

  test('is refused, with what it offers instead, when nothing it has authenticates and binds', async () => {
    faulty.set(hideGcm, hideKwp);
    await expect(open()).rejects.toMatchObject({
      code: 'key.mechanism',
      exit: 78,
      retryable: false,
      fields: {
        needs: 'aes-gcm or aes-kwp',
        refused: 'AES-ECB, AES-CBC, AES-CBC-PAD, AES-CTR, AES-KEY-WRAP, AES-KEY-WRAP-PAD',
      },
    });
  });

  test('is refused when it has AES-KWP for wrapping keys alone, as SoftHSM has', async () => {
    const other = buildFaultyModule(softhsm);
    other.set(hideGcm);
    const refused = openTestToken('softhsm2', newKeysFolder(), organisation, {
      module: other.module,
    });
    await expect(refused).rejects.toMatchObject({ code: 'key.mechanism' });
    other.remove();
  });

  test('a profile decides what is preferred', async () => {
    faulty.clear();
    const profile = { ...loadProfile('nss-softokn'), kekMechanisms: ['aes-kwp'] as const };
    const store = await openTestToken('nss-softokn', folder, organisation, { profile });
    expect((await store.health()).mechanism).toBe('AES-KWP (0x210b)');
    await store.close();
  });
});
