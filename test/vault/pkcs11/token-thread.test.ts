// The token behind a thread of its own: the same contract, and an event loop that a slow, absent or hanging
// device does not hold up. Delays are judged against how long the device took, never by the clock alone.
import { createHash, randomBytes } from 'node:crypto';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import pkcs11js from 'pkcs11js';
import type { PostsealError } from '../../../src/kernel/errors.ts';
import { uuidV4 } from '../../../src/kernel/ids.ts';
import type { EcdsaKey, KeyStore } from '../../../src/vault/keys/key-store.ts';
import { loadProfile } from '../../../src/vault/pkcs11/profile.ts';
import {
  openThreadedStore,
  type ThreadedStoreOptions,
} from '../../../src/vault/pkcs11/threaded-store.ts';
import { keyStoreContract } from '../../contract/key-store.contract.ts';
import { buildFaultyModule, type Fault, type FaultyModule } from '../../harness/faulty-module.ts';
import { describeIf, describeWith, testIf } from '../../harness/needs.ts';
import { moduleOf, newKeysFolder, openTestToken } from '../../harness/token.ts';

const organisation = uuidV4(randomBytes(16));
const context = Buffer.from('a context');

function open(
  profile: 'softhsm2' | 'nss-softokn',
  folder: string,
  more: Partial<ThreadedStoreOptions> = {},
): Promise<KeyStore> {
  return openThreadedStore({
    module: moduleOf(profile) ?? '',
    profile: loadProfile(profile),
    folder,
    label: 'postseal',
    organisationId: organisation,
    provision: true,
    ...more,
  });
}

/** Longest time for which this event loop did nothing, while `work` ran, and how long that took; ms. */
async function longestStop(work: () => Promise<unknown>): Promise<{ stop: number; took: number }> {
  let stop = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    stop = Math.max(stop, now - last);
    last = now;
  }, 5);
  const start = performance.now();
  await work();
  const took = performance.now() - start;
  clearInterval(timer);
  return { stop: Math.max(stop, performance.now() - last), took };
}

for (const profile of ['softhsm2', 'nss-softokn'] as const) {
  const present = moduleOf(profile) !== undefined;
  describeIf(present, `no ${profile}`, `${profile} in a thread`, () => {
    const folder = newKeysFolder();
    keyStoreContract({ tokenClass: 'software-token', open: () => open(profile, folder) });
  });
}

const softhsm = moduleOf('softhsm2');
/** Long enough for a busy machine not to look like a slow device, ms. */
const slow = 800;

// On its own, since a process has one state of a module: here the token is another.
describeWith(['cc'], 'without the thread', () => {
  testIf(
    softhsm !== undefined,
    'no SoftHSM',
    'the event loop stands still as long as the device does, which the measure sees',
    async () => {
      const faulty = buildFaultyModule(softhsm ?? '');
      const { module } = faulty;
      const store = await openTestToken('softhsm2', newKeysFolder(), organisation, { module });
      const { id } = await store.ensureKek(1);
      faulty.set(`C_EncryptInit delay ${slow}`);
      const { stop } = await longestStop(() => store.wrap(id, context, Buffer.alloc(32)));
      expect(stop).toBeGreaterThanOrEqual(slow);
      await store.close();
      faulty.remove();
    },
  );
});

(softhsm === undefined ? describe.skip : describeWith.bind(undefined, ['cc']))(
  'a device that is slow, away or full',
  () => {
    let faulty: FaultyModule;
    let store: KeyStore;
    let kek: string;
    let key: EcdsaKey;
    const folder = newKeysFolder();
    const digest = createHash('sha256').update('a checkpoint').digest();
    const wrap = (): Promise<Buffer> => store.wrap(kek, context, Buffer.alloc(32, 7));
    beforeAll(async () => {
      faulty = buildFaultyModule(softhsm ?? '');
      store = await open('softhsm2', folder, {
        module: faulty.module,
      });
      kek = (await store.ensureKek(1)).id;
      key = await store.ensureSigningKey('checkpoint');
    });
    afterEach(() => {
      faulty.clear();
    });
    afterAll(async () => {
      await store.close();
      faulty.remove();
    });

    const work: readonly [string, Fault, () => Promise<unknown>][] = [
      ['beginning an encryption', `C_EncryptInit delay ${slow}`, wrap],
      ['an encryption', `C_Encrypt delay ${slow}`, wrap],
      ['beginning a signature', `C_SignInit delay ${slow}`, () => key.sign(digest)],
      ['a signature', `C_Sign delay ${slow}`, () => key.sign(digest)],
      ['making a key', `C_GenerateKey delay ${slow}`, () => store.ensureKek(2)],
      ['looking for a key', `C_FindObjectsInit delay ${slow}`, () => store.ensureKek(2)],
    ];
    test.each(work)('%s that is slow holds up its caller alone', async (_, fault, call) => {
      faulty.set(fault);
      const { stop, took } = await longestStop(call);
      expect(took).toBeGreaterThanOrEqual(slow);
      expect(stop).toBeLessThan(took / 2);
    });

    test('connecting anew, with each of its calls slow, holds up its caller alone', async () => {
      faulty.set(`C_Encrypt fail ${pkcs11js.CKR_DEVICE_REMOVED}`);
      await expect(wrap()).rejects.toMatchObject({ code: 'key.unavailable', retryable: true });
      faulty.set('C_Initialize delay 150', 'C_OpenSession delay 150', 'C_Login delay 150');
      const { stop, took } = await longestStop(() => retried(wrap));
      expect(took).toBeGreaterThanOrEqual(150);
      expect(stop).toBeLessThan(took / 2);
    });

    const answers = ['CKR_DEVICE_ERROR', 'CKR_DEVICE_REMOVED', 'CKR_DEVICE_MEMORY'] as const;
    test.each(answers)('%s is key.unavailable for all calls, and passes', async (name) => {
      const blob = await retried(wrap);
      const code = pkcs11js[name];
      faulty.set(`C_Encrypt fail ${code}`, `C_Decrypt fail ${code}`, `C_Sign fail ${code}`);
      const calls = [wrap(), store.unwrap(kek, context, blob), key.sign(digest)];
      for (const call of calls) {
        await expect(call).rejects.toMatchObject({ code: 'key.unavailable', retryable: true });
      }
      expect(await store.health()).toMatchObject({ available: false, code: 'key.unavailable' });
      faulty.clear();
      expect(
        (await retried(() => store.unwrap(kek, context, blob))).equals(Buffer.alloc(32, 7)),
      ).toBe(true);
      expect(await retried(() => key.sign(digest))).toBeInstanceOf(Buffer);
      expect(await store.health()).toMatchObject({ available: true });
    });

    test('a full device makes no key, and goes on with those it has', async () => {
      await retried(wrap);
      faulty.set(`C_GenerateKey fail ${pkcs11js.CKR_DEVICE_MEMORY}`);
      await expect(store.ensureKek(3)).rejects.toMatchObject({ code: 'key.unavailable' });
      faulty.clear();
      expect(await retried(() => store.ensureKek(3))).toMatchObject({ created: true });
      expect(await wrap()).toHaveLength(62);
    });

    test('a device that does not destroy a key is not taken for one that did', async () => {
      const { id } = await retried(() => store.ensureKek(4));
      const blob = await store.wrap(id, context, Buffer.alloc(32, 9));
      faulty.set(`C_DestroyObject fail ${pkcs11js.CKR_DEVICE_ERROR}`);
      await expect(store.destroyKek(id)).rejects.toMatchObject({ code: 'key.unavailable' });
      faulty.clear();
      const opened = await retried(() => store.unwrap(id, context, blob));
      expect(opened.equals(Buffer.alloc(32, 9))).toBe(true);
      await store.destroyKek(id);
      await expect(store.unwrap(id, context, blob)).rejects.toMatchObject({
        code: 'key.destroyed',
      });
    });

    test('a token that is gone is found again in the same thread', async () => {
      const blob = await retried(wrap);
      renameSync(join(folder, 'token'), join(folder, 'away'));
      await expect(wrap()).rejects.toMatchObject({ code: 'key.unavailable' });
      renameSync(join(folder, 'away'), join(folder, 'token'));
      expect(await retried(() => store.unwrap(kek, context, blob))).toHaveLength(32);
    });
  },
);

describeWith(['cc'], 'a device that hangs where there is no asynchronous call', () => {
  testIf(
    softhsm !== undefined,
    'no SoftHSM',
    'holds up nobody, is told after a long silence, and is survived when it comes back',
    async () => {
      const faulty = buildFaultyModule(softhsm ?? '');
      let hung = 0;
      const store = await open('softhsm2', newKeysFolder(), {
        module: faulty.module,
        callTimeoutMs: 500,
        onHung: () => (hung += 1),
      });
      const { id } = await store.ensureKek(1);
      const wrap = (): Promise<Buffer> => store.wrap(id, context, Buffer.alloc(32));
      faulty.set('C_EncryptInit hang');
      const { stop, took } = await longestStop(async () => {
        await expect(wrap()).rejects.toMatchObject({ fields: { reason: 'timeout' } });
        // The next does not wait its time out behind it.
        await expect(wrap()).rejects.toMatchObject({ fields: { reason: 'silent' } });
      });
      expect(stop).toBeLessThan(took / 2);
      expect(await store.health()).toMatchObject({ available: false, code: 'key.unavailable' });
      while (hung === 0) await sleep(50);
      faulty.clear();
      expect(await retried(wrap)).toHaveLength(62);
      expect(hung).toBe(1);
      await store.close();
      faulty.remove();
    },
  );
});

test('what lay under a failure comes out of the thread with it, so that a log can tell where it was', async () => {
  const opening = open('softhsm2', newKeysFolder(), { module: '/nowhere/module.so' });
  const failure = await opening.then(
    () => undefined,
    (error: unknown) => error as PostsealError,
  );
  expect(failure).toMatchObject({ code: 'key.token', fields: { call: 'load' } });
  expect(failure?.cause).toBeInstanceOf(Error);
  expect((failure?.cause as Error).message).toContain('/nowhere/module.so');
  expect((failure?.cause as Error).stack).toContain('cryptoki.ts');
});

async function retried<T>(call: () => Promise<T>): Promise<T> {
  for (let i = 0; ; i += 1) {
    try {
      return await call();
    } catch (error) {
      if (i === 100) throw error;
      await sleep(100);
    }
  }
}
