// What every key store promises (src/vault/keys/key-store.ts), whatever it is made of.
import { createHash, createPublicKey, randomBytes, verify } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { IntegrityError, PostsealError } from '../../src/kernel/errors.ts';
import type { KeyStore } from '../../src/vault/keys/key-store.ts';

export interface KeyStoreCase {
  /** Opens the same store again after `close`. */
  open(): Promise<KeyStore>;
  readonly tokenClass: KeyStore['tokenClass'];
  /** Length of a wrap: 62 with AES-GCM, 74 with AES-KWP. */
  readonly wrapBytes?: number;
}

const aad = Buffer.from('custodian one, generation 1, version 1');

export function keyStoreContract(subject: KeyStoreCase): void {
  describe('the contract of key stores', () => {
    let store: KeyStore;
    let kek: string;
    beforeAll(async () => {
      store = await subject.open();
      kek = (await store.ensureKek(1)).id;
    });
    afterAll(() => store.close());

    test('says what it is', async () => {
      expect(store.tokenClass).toBe(subject.tokenClass);
      const { mechanism, profile, ...rest } = await store.health();
      expect(rest).toMatchObject({ available: true });
      expect(mechanism).toMatch(/^AES-(GCM|KWP) /);
      expect(profile).toMatch(/^[a-z0-9-]+$/);
    });

    test('makes a generation once and finds it afterwards', async () => {
      const second = await store.ensureKek(2);
      expect(second).toMatchObject({ generation: 2, created: true });
      expect(second.id).not.toBe(kek);
      expect(await store.ensureKek(2)).toEqual({ ...second, created: false });
    });

    test('lists what lies in it: names, kinds and uses, and no value', async () => {
      const { label } = await store.ensureSigningKey('listed');
      const listed = await store.inventory();
      const inside = subject.tokenClass !== 'keyfile';
      expect(listed.find((key) => key.label === kek)).toEqual({
        label: kek,
        class: 'secret',
        sensitive: inside,
        alwaysSensitive: inside,
        extractable: !inside,
        neverExtractable: inside,
        // NSS says so of no key (keys/profiles/, `reportsLocal`).
        local: expect.any(Boolean),
        usages: ['encrypt', 'decrypt'],
      });
      const signing = listed.filter((key) => key.label.endsWith(` ${label}`));
      expect(signing.find((key) => key.class === 'private')).toMatchObject({
        sensitive: inside,
        extractable: !inside,
        // SoftHSM adds uses that an EC key has no mechanism for.
        usages: expect.arrayContaining(['sign']),
      });
      expect(signing.flatMap((key) => key.class).filter((kind) => kind === 'secret')).toEqual([]);
    });

    test('opens what it wrapped, and shows none of it', async () => {
      const key = randomBytes(32);
      const [first, second] = await Promise.all([
        store.wrap(kek, aad, key),
        store.wrap(kek, aad, key),
      ]);
      const wrapBytes = subject.wrapBytes ?? 62;
      expect([first.length, second.length]).toEqual([wrapBytes, wrapBytes]);
      // AES-KWP has no nonce: what is wrapped twice is the same, as docs/formats/kek-wrap.md says.
      expect(first.equals(second)).toBe(wrapBytes === 74);
      expect(first.includes(key.subarray(0, 8))).toBe(false);
      expect((await store.unwrap(kek, aad, first)).equals(key)).toBe(true);
    });

    test('leaves the caller’s key alone', async () => {
      const key = randomBytes(32);
      const copy = Buffer.from(key);
      await store.wrap(kek, aad, key);
      expect(key.equals(copy)).toBe(true);
    });

    test('refuses other associated data, another KEK and every flipped byte', async () => {
      const blob = await store.wrap(kek, aad, randomBytes(32));
      const other = (await store.ensureKek(2)).id;
      await expect(store.unwrap(kek, Buffer.from('custodian two'), blob)).rejects.toThrow(
        IntegrityError,
      );
      await expect(store.unwrap(other, aad, blob)).rejects.toThrow(IntegrityError);
      for (let at = 0; at < blob.length; at += 1) {
        const changed = Buffer.from(blob);
        changed.writeUInt8((changed[at] ?? 0) ^ (1 << (at % 8)), at);
        await expect(store.unwrap(kek, aad, changed)).rejects.toThrow(IntegrityError);
      }
      for (const wrong of [blob.subarray(1), blob.subarray(0, -1), Buffer.concat([blob, blob])]) {
        await expect(store.unwrap(kek, aad, wrong)).rejects.toThrow(IntegrityError);
      }
      // A refusal is no loss of the token: the good blob opens as before.
      expect(await store.unwrap(kek, aad, blob)).toHaveLength(32);
    });

    test('has no answer for a KEK that does not exist', async () => {
      const blob = await store.wrap(kek, aad, randomBytes(32));
      await expect(store.unwrap('postseal kek nobody 9', aad, blob)).rejects.toMatchObject({
        code: 'key.destroyed',
      });
    });

    test('destroys a KEK for good, that one alone, and again without complaint', async () => {
      const { id } = await store.ensureKek(9);
      const [doomed, kept] = [
        await store.wrap(id, aad, randomBytes(32)),
        await store.wrap(kek, aad, randomBytes(32)),
      ];
      await store.destroyKek(id);
      await store.destroyKek(id);
      await expect(store.unwrap(id, aad, doomed)).rejects.toMatchObject({ code: 'key.destroyed' });
      expect(await store.unwrap(kek, aad, kept)).toHaveLength(32);
      expect(await store.health()).toMatchObject({ available: true });
      await store.close();
      store = await subject.open();
      await expect(store.unwrap(id, aad, doomed)).rejects.toMatchObject({ code: 'key.destroyed' });
      // A new key of the same name is another key.
      expect(await store.ensureKek(9)).toEqual({ id, generation: 9, created: true });
      await expect(store.unwrap(id, aad, doomed)).rejects.toThrow(IntegrityError);
    });

    test('serves sixty-four calls at once', async () => {
      const keys = Array.from({ length: 64 }, () => randomBytes(32));
      const blobs = await Promise.all(keys.map((key) => store.wrap(kek, aad, key)));
      const opened = await Promise.all(blobs.map((blob) => store.unwrap(kek, aad, blob)));
      expect(opened.every((key, i) => key.equals(keys[i] ?? Buffer.alloc(0)))).toBe(true);
    });

    test('signs digests so that others can verify', async () => {
      const key = await store.ensureSigningKey('checkpoint');
      expect((await store.ensureSigningKey('checkpoint')).spki.equals(key.spki)).toBe(true);
      const publicKey = createPublicKey({ key: key.spki, format: 'der', type: 'spki' });
      expect(publicKey.asymmetricKeyDetails).toMatchObject({ namedCurve: 'prime256v1' });
      for (let i = 0; i < 16; i += 1) {
        const message = randomBytes(100);
        const signature = await key.sign(createHash('sha256').update(message).digest());
        expect(verify('sha256', message, publicKey, signature)).toBe(true);
        expect(verify('sha256', randomBytes(100), publicKey, signature)).toBe(false);
      }
    });

    test('finds a signing key that is there, and makes none where only finding was asked for', async () => {
      const { spki } = await store.ensureSigningKey('checkpoint');
      expect((await store.findSigningKey('checkpoint')).spki.equals(spki)).toBe(true);
      for (let i = 0; i < 2; i += 1) {
        await expect(store.findSigningKey('never made')).rejects.toMatchObject({
          code: 'key.store-other',
        });
      }
    });

    test('keeps its keys over a restart, and answers nothing when it is closed', async () => {
      const key = randomBytes(32);
      const blob = await store.wrap(kek, aad, key);
      const { spki } = await store.ensureSigningKey('checkpoint');
      const closed = store;
      await closed.close();
      await expect(closed.unwrap(kek, aad, blob)).rejects.toMatchObject({
        code: 'key.unavailable',
      });
      await expect(closed.wrap(kek, aad, key)).rejects.toThrow(PostsealError);
      store = await subject.open();
      expect((await store.unwrap(kek, aad, blob)).equals(key)).toBe(true);
      expect((await store.ensureKek(1)).created).toBe(false);
      expect((await store.ensureSigningKey('checkpoint')).spki.equals(spki)).toBe(true);
    });
  });
}
