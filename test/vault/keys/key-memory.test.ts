// What keeps keys for a while (caches, blobs, encodings) on its own: no token and no database.
import { createDecipheriv, scryptSync } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { IntegrityError } from '../../../src/kernel/errors.ts';
import { Secret } from '../../../src/kernel/secret.ts';
import { purposes, type Purpose } from '../../../src/vault/formats/purposes.ts';
import { openWithKek, sealWithKek } from '../../../src/vault/keyfile/keyfile-store.ts';
import { openKeys, sealKeys, type SealedKeys } from '../../../src/vault/keyfile/sealed-keys.ts';
import { createDekCache } from '../../../src/vault/keys/dek-cache.ts';
import { derOfRawSignature } from '../../../src/vault/keys/ecdsa-der.ts';
import { kekContextBytes } from '../../../src/vault/keys/kek-blob.ts';
import { decodeCalls, encodeFrame, FrameSplitter } from '../../../src/vault/keys/key-protocol.ts';
import { loadProfile } from '../../../src/vault/pkcs11/profile.ts';
import { countUids } from '../../../src/vault/service/granted-event.ts';
import { createSecretCache } from '../../../src/vault/service/secret-cache.ts';

interface KekVector {
  readonly name: string;
  readonly expect: 'ok' | 'tag' | 'format';
  readonly purpose: Purpose;
  readonly organisationId: string;
  readonly ownerId: string;
  readonly keyId: string;
  readonly generation: number;
  readonly version: number;
  readonly kek: string;
  readonly nonce: string;
  readonly key: string;
  readonly aad: string;
  readonly blob: string;
}

const { vectors, keyFile } = JSON.parse(
  readFileSync(new URL('../../vectors/kek-wrap/vectors.json', import.meta.url), 'utf8'),
) as {
  vectors: KekVector[];
  keyFile: {
    passphrase: string;
    content: SealedKeys;
    file: { salt: string; nonce: string; sealed: string };
  };
};
const unhex = (text: string) => Buffer.from(text, 'hex');

describe('docs/formats/kek-wrap.md', () => {
  test.each(vectors)('vector $name', (v) => {
    expect(Buffer.from(kekContextBytes(v)).toString('hex')).toBe(v.aad);
    const open = () => openWithKek(unhex(v.kek), unhex(v.aad), unhex(v.blob));
    if (v.expect !== 'ok') {
      expect(open).toThrow(expect.objectContaining({ code: `integrity.${v.expect}` }));
      return;
    }
    expect(open().toString('hex')).toBe(v.key);
    const again = sealWithKek(unhex(v.kek), unhex(v.nonce), unhex(v.aad), unhex(v.key));
    expect(again.toString('hex')).toBe(v.blob);
  });

  test('the page alone is enough to read a wrap and a key file', () => {
    const v = vectors[0]!;
    const uuids = [v.organisationId, v.ownerId, v.keyId].map((id) => unhex(id.replaceAll('-', '')));
    const numbers = Buffer.alloc(8);
    numbers.writeUInt32BE(v.generation, 0);
    numbers.writeUInt32BE(v.version, 4);
    const blob = unhex(v.blob);
    const context = Buffer.concat([Buffer.of(purposes[v.purpose]), ...uuids, numbers]);
    const aad = Buffer.concat([Buffer.from('postseal/kek-wrap/1'), blob.subarray(0, 2), context]);
    const opened = gcm(unhex(v.kek), blob.subarray(2, 14), aad, blob.subarray(14));
    expect(opened.toString('hex')).toBe(v.key);

    const { salt, nonce, sealed } = keyFile.file;
    const cost = { N: 65_536, r: 8, p: 1, maxmem: 2 ** 28 };
    const key = scryptSync(keyFile.passphrase, Buffer.from(salt, 'base64'), 32, cost);
    const text = gcm(
      key,
      Buffer.from(nonce, 'base64'),
      Buffer.from(['postseal/keyfile/1', '65536', '8', '1', salt].join('\0')),
      Buffer.from(sealed, 'base64'),
    );
    expect(JSON.parse(text.toString())).toEqual(keyFile.content);
    const page = readFileSync(
      new URL('../../../docs/formats/kek-wrap.md', import.meta.url),
      'utf8',
    );
    for (const shown of [v.kek, v.nonce, v.key, v.aad, v.blob]) expect(page).toContain(shown);
  });

  test('the key file is read and written as the vector says', async () => {
    const passphrase = Secret.fromText(keyFile.passphrase);
    expect(await openKeys(JSON.stringify(keyFile.file), passphrase)).toEqual(keyFile.content);
    const { salt, nonce } = keyFile.file;
    const random = { salt: Buffer.from(salt, 'base64'), nonce: Buffer.from(nonce, 'base64') };
    const written = await sealKeys(keyFile.content, passphrase, random);
    expect(JSON.parse(written)).toEqual(keyFile.file);
  });
});

function gcm(key: Buffer, nonce: Buffer, aad: Buffer, sealed: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, nonce).setAAD(aad);
  decipher.setAuthTag(sealed.subarray(-16));
  return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
}

describe('loadProfile', () => {
  const folder = new URL('../../../keys/profiles/', import.meta.url);
  const names = readdirSync(folder)
    .filter((name) => name !== 'schema.json')
    .map((name) => name.replace('.json', ''));

  test.each(names)('%s fits the schema and is named after its file', (name) => {
    expect(loadProfile(name).name).toBe(name);
  });

  test('refuses names that are no profile', () => {
    for (const name of ['schema', '../../package', 'nothing', '']) {
      expect(() => loadProfile(name)).toThrow(expect.objectContaining({ exit: 78 }));
    }
  });
});

describe('createDekCache', () => {
  const build = (bytesMax = 1_024 * 1_024) => {
    const clock = { now: 0 };
    return {
      clock,
      cache: createDekCache({ bytesMax, ttlMs: 60_000, monotonic: () => clock.now }),
    };
  };

  test('gives copies for its time and not a moment longer', () => {
    const { cache, clock } = build();
    const key = Buffer.alloc(32, 7);
    cache.put('a', key);
    key.fill(0);
    cache.get('a')?.fill(0);
    expect(cache.get('a')).toEqual(Buffer.alloc(32, 7));
    clock.now = 59_999;
    expect(cache.get('a')).toBeDefined();
    clock.now = 60_000;
    expect(cache.get('a')).toBeUndefined();
    expect(cache.size).toBe(0);
    cache.close();
  });

  test('is bounded, forgets one, and forgets all', () => {
    const { cache } = build(256 * 10);
    for (let i = 0; i < 100; i += 1) cache.put(String(i), Buffer.alloc(32, i));
    expect(cache.size).toBe(10);
    expect(cache.get('89')).toBeUndefined();
    expect(cache.get('99')).toEqual(Buffer.alloc(32, 99));
    cache.forget('99');
    expect(cache.get('99')).toBeUndefined();
    cache.flush();
    expect(cache.size).toBe(0);
    cache.close();
  });

  test('cannot be told to keep keys longer', () => {
    const options = { bytesMax: 1_024, ttlMs: 60_001, monotonic: () => 0 };
    expect(() => createDekCache(options)).toThrow('60 seconds');
  });
});

describe('createSecretCache', () => {
  const secret = () => {
    const bytes = Buffer.alloc(32, 1);
    return { bytes: 100, key: bytes, destroy: () => void bytes.fill(0) };
  };
  const isZero = (value: { key: Buffer }) => value.key.every((byte) => byte === 0);

  test('zeroes what it evicts, but never under a lease', () => {
    const cache = createSecretCache<ReturnType<typeof secret>>(250);
    const [a, b, c] = [secret(), secret(), secret()];
    const first = cache.lease();
    first.put('a', a);
    const second = cache.lease();
    second.put('b', b);
    second.put('c', c);
    expect(cache.size).toBe(2);
    expect(isZero(a)).toBe(false);
    first.end();
    expect(isZero(a)).toBe(true);
    second.end();
    expect([b, c].map(isZero)).toEqual([false, false]);
    cache.flush();
    expect([b, c].map(isZero)).toEqual([true, true]);
  });

  test('replaces a value and keeps the one that was used last', () => {
    const cache = createSecretCache<ReturnType<typeof secret>>(200);
    const [old, fresh, other, third] = [secret(), secret(), secret(), secret()];
    const lease = cache.lease();
    lease.put('a', old);
    lease.put('a', fresh);
    lease.put('b', other);
    lease.end();
    expect(isZero(old)).toBe(true);
    const later = cache.lease();
    expect(later.get('a')).toBe(fresh);
    later.put('c', third);
    later.end();
    expect([fresh, other, third].map(isZero)).toEqual([false, true, false]);
    expect(() => later.get('a')).toThrow('ended');
  });
});

describe('frames', () => {
  test('come out as they went in, however the stream is cut', () => {
    const call = fc.record({
      id: fc.integer({ min: 1, max: 0xffffffff }),
      code: fc.integer({ min: 0, max: 255 }),
      payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    });
    fc.assert(
      fc.property(
        fc.array(fc.array(call, { maxLength: 5 })),
        fc.infiniteStream(fc.integer({ min: 1, max: 90 })),
        (frames, cuts) => {
          const stream = Buffer.concat(frames.map(encodeFrame));
          const splitter = new FrameSplitter();
          const out: unknown[] = [];
          for (let at = 0; at < stream.length;) {
            const end = at + (cuts.next().value as number);
            for (const frame of splitter.push(Buffer.from(stream.subarray(at, end))))
              out.push(decodeCalls(frame));
            at = end;
          }
          expect(out).toEqual(frames);
        },
      ),
      { seed: 7, numRuns: 200 },
    );
  });

  test('that are too long, or end too early, are refused', () => {
    const long = Buffer.alloc(4);
    long.writeUInt32BE(0x7fffffff, 0);
    expect(() =>
      new FrameSplitter().push(Buffer.concat([long, Buffer.alloc(5_000_000)])),
    ).toThrow();
    const frame = encodeFrame([{ id: 1, code: 2, payload: Buffer.alloc(9) }]).subarray(4);
    for (let cut = 1; cut < frame.length; cut += 1) {
      expect(() => decodeCalls(frame.subarray(0, cut))).toThrow('too early');
    }
  });
});

describe('derOfRawSignature', () => {
  test('writes minimal positive integers', () => {
    const raw = Buffer.alloc(64);
    raw.writeUInt8(0x80, 0);
    raw.writeUInt8(1, 63);
    expect(derOfRawSignature(raw).toString('hex')).toBe(`30260221008${'0'.repeat(63)}020101`);
  });
});

describe('countUids', () => {
  test.each([
    ['7', 1],
    ['1:3,7', 4],
    ['9:7', 3],
    ['1:*', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%s', (set, count) => {
    expect(countUids(set)).toBe(count);
  });
});

test('an IntegrityError of a wrap says which format broke', () => {
  expect(() => openWithKek(Buffer.alloc(32), Buffer.alloc(1), Buffer.alloc(61))).toThrow(
    IntegrityError,
  );
});
