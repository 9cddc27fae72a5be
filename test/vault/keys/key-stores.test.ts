import { createHash, randomBytes, verify } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import pkcs11js from 'pkcs11js';
import type { PostsealError } from '../../../src/kernel/errors.ts';
import { uuidV4 } from '../../../src/kernel/ids.ts';
import { Secret } from '../../../src/kernel/secret.ts';
import { openKeyfileStore } from '../../../src/vault/keyfile/keyfile-store.ts';
import { createPinTries } from '../../../src/vault/pkcs11/pin-tries.ts';
import { loadProfile } from '../../../src/vault/pkcs11/profile.ts';
import { keyStoreContract } from '../../contract/key-store.contract.ts';
import { buildFaultyModule } from '../../harness/faulty-module.ts';
import { describeWith, testIf } from '../../harness/needs.ts';
import { moduleOf, newKeysFolder, openTestToken } from '../../harness/token.ts';

const organisation = uuidV4(randomBytes(16));

for (const profile of ['softhsm2', 'nss-softokn'] as const) {
  const present = moduleOf(profile) !== undefined;
  const group = present ? describe : describe.skip;
  group(present ? `pkcs11 on ${profile}` : `pkcs11 [skipped: no module of ${profile}]`, () => {
    const folder = newKeysFolder();
    keyStoreContract({
      tokenClass: 'software-token',
      open: () => openTestToken(profile, folder, organisation),
    });

    test('its PINs and its token are readable by their owner alone', () => {
      const modes = ['user.pin', 'token'].map((name) => statSync(join(folder, name)).mode & 0o777);
      expect(modes).toEqual([0o600, 0o700]);
      expect(readFileSync(join(folder, 'user.pin'), 'utf8')).toMatch(/^[\w-]{32}\n$/);
    });

    test('the PIN may come from the configuration, and then stands in no file', async () => {
      const own = newKeysFolder();
      const pin = { pin: Secret.fromText('a pin of the configuration') };
      const store = await openTestToken(profile, own, organisation, pin);
      const { id } = await store.ensureKek(1);
      await store.close();
      expect(existsSync(join(own, 'user.pin'))).toBe(false);
      await expect(openTestToken(profile, own, organisation)).rejects.toMatchObject({
        code: 'key.pin',
      });
      const again = await openTestToken(profile, own, organisation, { ...pin, provision: false });
      expect(await again.ensureKek(1)).toEqual({ id, generation: 1, created: false });
      await again.close();
    });

    test('a profile that calls it an HSM convinces nobody; where only hardware is allowed it is refused', async () => {
      const lie = { ...loadProfile(profile), tokenClass: 'hsm' } as const;
      const store = await openTestToken(profile, folder, organisation, { profile: lie });
      expect(store.tokenClass).toBe('software-token');
      await store.close();
      const fresh = newKeysFolder();
      for (const profileOf of [lie, loadProfile(profile)]) {
        const strict = { profile: profileOf, hardwareOnly: true };
        await expect(openTestToken(profile, fresh, organisation, strict)).rejects.toMatchObject({
          code: 'key.software-token',
          exit: 78,
        });
      }
      // It was refused before anybody made a PIN for it.
      expect(existsSync(join(fresh, 'user.pin'))).toBe(false);
    });

    test('a wrong PIN is counted, and the next try waits without touching the token', async () => {
      const wrong = { pin: Secret.fromText('not-the-pin-at-all'), provision: false };
      await expect(openTestToken(profile, folder, organisation, wrong)).rejects.toMatchObject({
        code: 'key.pin',
      });
      await expect(openTestToken(profile, folder, organisation)).rejects.toMatchObject({
        code: 'key.pin',
        fields: { reason: 'waiting', failures: 1 },
      });
      const later = { now: () => Date.now() + 11_000 };
      const store = await openTestToken(profile, folder, organisation, later);
      expect(await store.health()).toMatchObject({ available: true });
      await store.close();
      await (await openTestToken(profile, folder, organisation)).close();
    });
  });
}

describe('pkcs11 with two tokens of one label', () => {
  testIf(
    moduleOf('softhsm2') !== undefined,
    'no SoftHSM',
    'uses neither, and says why',
    async () => {
      const folder = newKeysFolder();
      const store = await openTestToken('softhsm2', folder, organisation);
      await store.ensureKek(1);
      await store.close();
      const api = new pkcs11js.PKCS11();
      api.load(moduleOf('softhsm2') ?? '');
      api.C_Initialize({ flags: pkcs11js.CKF_OS_LOCKING_OK });
      const initialised = (slot: Buffer): boolean =>
        (api.C_GetTokenInfo(slot).flags & pkcs11js.CKF_TOKEN_INITIALIZED) !== 0;
      const free = api.C_GetSlotList(true).find((slot) => !initialised(slot));
      api.C_InitToken(free!, 'another so pin', 'postseal');
      api.C_Finalize();
      await expect(openTestToken('softhsm2', folder, organisation)).rejects.toMatchObject({
        code: 'key.token',
        fields: { reason: 'ambiguous-token', label: 'postseal' },
      });
    },
  );
});

describe('pkcs11 while the token is away', () => {
  testIf(
    moduleOf('softhsm2') !== undefined,
    'no SoftHSM',
    'answers key.unavailable and recovers by itself in the same process',
    async () => {
      const folder = newKeysFolder();
      const store = await openTestToken('softhsm2', folder, organisation);
      const { id } = await store.ensureKek(1);
      const blob = await store.wrap(id, Buffer.from('a'), Buffer.alloc(32, 7));
      renameSync(join(folder, 'token'), join(folder, 'away'));
      const during = Array.from({ length: 8 }, () => store.unwrap(id, Buffer.from('a'), blob));
      for (const call of during) {
        await expect(call).rejects.toMatchObject({ code: 'key.unavailable', retryable: true });
      }
      expect(await store.health()).toMatchObject({ available: false, code: 'key.unavailable' });
      renameSync(join(folder, 'away'), join(folder, 'token'));
      const key = await retried(() => store.unwrap(id, Buffer.from('a'), blob));
      expect(key.equals(Buffer.alloc(32, 7))).toBe(true);
      expect(await store.health()).toMatchObject({ available: true });
      await store.close();
    },
  );

  testIf(
    moduleOf('softhsm2') !== undefined,
    'no SoftHSM',
    'refuses to sign meanwhile, signs again afterwards, and can be closed at any time',
    async () => {
      const folder = newKeysFolder();
      const store = await openTestToken('softhsm2', folder, organisation);
      const key = await store.ensureSigningKey('checkpoint');
      const digest = createHash('sha256').update('a checkpoint').digest();
      const publicKey = { key: key.spki, format: 'der', type: 'spki' } as const;
      for (let round = 0; round < 2; round += 1) {
        renameSync(join(folder, 'token'), join(folder, 'away'));
        // More than there are sessions: a session that is not given back would be missed.
        for (let i = 0; i < 6; i += 1) {
          await expect(key.sign(digest)).rejects.toMatchObject({ code: 'key.unavailable' });
        }
        renameSync(join(folder, 'away'), join(folder, 'token'));
        const signature = await retried(() => key.sign(digest));
        expect(verify('sha256', Buffer.from('a checkpoint'), publicKey, signature)).toBe(true);
      }
      renameSync(join(folder, 'token'), join(folder, 'away'));
      await expect(key.sign(digest)).rejects.toMatchObject({ code: 'key.unavailable' });
      await store.close();
    },
  );

  testIf(
    moduleOf('softhsm2') !== undefined,
    'no SoftHSM',
    'never puts a new token in the place of one that it has used',
    async () => {
      const folder = newKeysFolder();
      const store = await openTestToken('softhsm2', folder, organisation);
      const { id } = await store.ensureKek(1);
      renameSync(join(folder, 'token'), join(folder, 'away'));
      mkdirSync(join(folder, 'token'), { mode: 0o700 });
      for (let i = 0; i < 3; i += 1) {
        await expect(store.wrap(id, Buffer.from('a'), Buffer.alloc(32))).rejects.toMatchObject({
          code: 'key.unavailable',
        });
      }
      await store.close();
    },
  );
});

describeWith(['cc'], 'pkcs11 on a module that hangs', () => {
  testIf(
    moduleOf('softhsm2') !== undefined,
    'no SoftHSM',
    'keeps nobody waiting, says that it hangs, and goes on once the call has come back',
    async () => {
      const hanging = buildFaultyModule(moduleOf('softhsm2') ?? '');
      let hung = 0;
      const store = await openTestToken('softhsm2', newKeysFolder(), organisation, {
        module: hanging.module,
        callTimeoutMs: 300,
        onHung: () => (hung += 1),
      });
      try {
        const { id } = await store.ensureKek(1);
        const wrap = (): Promise<Buffer> => store.wrap(id, Buffer.from('a'), Buffer.alloc(32));
        await wrap();
        hanging.hang();
        const reasons: unknown[] = [];
        while (!reasons.includes('hung') || hung === 0) {
          const error = await wrap().catch((failure: unknown) => failure as PostsealError);
          expect(error).toMatchObject({ code: 'key.unavailable' });
          reasons.push((error as PostsealError).fields['reason']);
          await sleep(20);
        }
        expect(reasons[0]).toBe('timeout');
        hanging.clear();
        expect(await retried(wrap)).toHaveLength(62);
        expect(hung).toBe(1);
      } finally {
        hanging.clear();
        await store.close();
        hanging.remove();
      }
    },
  );
});

describe('keyfile', () => {
  const folder = newKeysFolder();
  const path = join(folder, 'keys.sealed');
  const passphrase = Secret.fromText('correct horse battery staple');
  const open = (secret = passphrase) =>
    openKeyfileStore({ path, passphrase: secret, organisationId: organisation });
  keyStoreContract({ tokenClass: 'keyfile', open: () => open() });

  test('another passphrase and a changed byte open nothing', async () => {
    await expect(open(Secret.fromText('Correct horse'))).rejects.toMatchObject({
      code: 'key.passphrase',
      exit: 78,
    });
    const text = readFileSync(path, 'utf8');
    const file = JSON.parse(text) as { sealed: string };
    const sealed = Buffer.from(file.sealed, 'base64');
    sealed.writeUInt8((sealed[5] ?? 0) ^ 1, 5);
    writeFileSync(path, JSON.stringify({ ...file, sealed: sealed.toString('base64') }));
    await expect(open()).rejects.toMatchObject({ code: 'key.passphrase' });
    writeFileSync(path, JSON.stringify({ ...file, scrypt: { N: 2 ** 40, r: 8, p: 1 } }));
    await expect(open()).rejects.toMatchObject({ code: 'integrity.format' });
    writeFileSync(path, text);
    await (await open()).close();
  });

  test('is readable by its owner alone and shows no key', async () => {
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path, 'utf8')).not.toContain(organisation);
    const store = await open();
    const made = await Promise.all([3, 4, 5].map((generation) => store.ensureKek(generation)));
    await store.close();
    const again = await open();
    expect(await Promise.all(made.map(({ generation }) => again.ensureKek(generation)))).toEqual(
      made.map((kek) => ({ ...kek, created: false })),
    );
    await again.close();
  });
});

describe('createPinTries', () => {
  test('waits longer after each wrong try, over restarts, and forgets after a right one', async () => {
    const folder = newKeysFolder();
    let now = 1_000_000;
    const tries = () => createPinTries(folder, () => now);
    const waits: number[] = [];
    for (let i = 0; i < 4; i += 1) {
      tries().check();
      await tries().failed();
      const start = now;
      while (isWaiting()) now += 1_000;
      waits.push(now - start);
    }
    expect(waits).toEqual([10_000, 60_000, 900_000, 900_000]);
    await tries().succeeded();
    await tries().failed();
    now += 10_000;
    tries().check();
    writeFileSync(join(folder, 'pin-tries.json'), 'not json');
    tries().check();

    function isWaiting(): boolean {
      try {
        tries().check();
        return false;
      } catch {
        return true;
      }
    }
  });
});

async function retried<T>(call: () => Promise<T>): Promise<T> {
  for (let i = 0; ; i += 1) {
    try {
      return await call();
    } catch (error) {
      if (i === 50) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
