// The proof at a start: a server that answers every question about locks and holds none is found out, and so
// is one that we may not use. What a real lock answers is in test/large/.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { PostsealError } from '../../../src/kernel/errors.ts';
import { Secret } from '../../../src/kernel/secret.ts';
import type { UnixMs } from '../../../src/kernel/time.ts';
import type { LockProbe } from '../../../src/vault/s3/lock-probe.ts';
import { testLock } from '../../../src/vault/s3/lock-test.ts';
import { proveS3 } from '../../../src/vault/s3/open-s3-bodies.ts';
import { openS3Objects } from '../../../src/vault/s3/s3-objects.ts';
import { type S3Server, startS3Server } from '../../harness/s3-server.ts';

let server: S3Server;
beforeAll(async () => {
  server = await startS3Server();
}, 60_000);
afterAll(() => server.close());

const cacheBytes = 1_048_576;

async function refusal(work: Promise<unknown>): Promise<PostsealError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof PostsealError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('proveS3', () => {
  test('refuses s3rver as a store that locks, with the exit code of a configuration', async () => {
    const config = { ...server.place('lock'), lock: 'compliance', cacheBytes } as const;
    const error = await refusal(proveS3(config));
    expect(error).toMatchObject({ code: 'config.store-lock', exit: 78 });
  });

  test('takes it where no lock is asked for, and leaves nothing there', async () => {
    const place = server.place('off');
    await proveS3({ ...place, lock: 'off', cacheBytes });
    const objects = openS3Objects(place);
    const keys: string[] = [];
    for await (const { key } of objects.list('')) keys.push(key);
    expect(keys).toEqual([]);
    objects.close();
  });

  test('an unknown account, an unknown bucket and a silent port are an absent store, not a missing lock', async () => {
    const place = { ...server.place('wrong'), lock: 'compliance', cacheBytes } as const;
    const others = [
      { accessKeyId: Secret.fromText('something else') },
      { bucket: 'nobody' },
      { endpoint: 'http://127.0.0.1:9' },
    ];
    for (const other of others) {
      const error = await refusal(proveS3({ ...place, ...other }));
      expect(error.code).toBe('store.unreachable');
      expect(JSON.stringify(error.fields)).not.toContain('something else');
    }
  });
});

/** A store that locks, but for what a test takes away from it. */
function probeThat(lies: Partial<LockProbe>): LockProbe {
  let until = 0 as UnixMs;
  let kept: Buffer | undefined;
  return {
    putLocked: (_key, bytes, end) => {
      until = end;
      kept = Buffer.from(bytes);
      return Promise.resolve('v1');
    },
    lockedUntil: () => Promise.resolve(until),
    shorten: () => Promise.resolve(false),
    removeVersion: () => Promise.resolve(false),
    get: () => Promise.resolve(kept),
    removeExpired: () => Promise.resolve(),
    close: () => undefined,
    ...lies,
  };
}

describe('testLock', () => {
  const options = {
    now: () => 1_000_000 as UnixMs,
    random: (length: number) => new Uint8Array(length).fill(7),
  };

  test('is content with a store that refuses everything it must', async () => {
    await expect(testLock(probeThat({}), options)).resolves.toBeUndefined();
  });

  const lies: Readonly<Record<string, Partial<LockProbe>>> = {
    'takes no lock': { putLocked: () => Promise.resolve(undefined) },
    'forgets the lock': { lockedUntil: () => Promise.resolve(undefined) },
    'keeps a shorter one': { lockedUntil: () => Promise.resolve(1_000_000 as UnixMs) },
    'lets it be shortened': { shorten: () => Promise.resolve(true) },
    'lets it be deleted': { removeVersion: () => Promise.resolve(true) },
    'says no and deletes': { get: () => Promise.resolve(undefined) },
    'says no and changes': { get: () => Promise.resolve(Buffer.alloc(32)) },
  };
  for (const [name, lie] of Object.entries(lies)) {
    test(`refuses a store that ${name}`, async () => {
      const error = await refusal(testLock(probeThat(lie), options));
      expect(error.code).toBe('config.store-lock');
    });
  }
});
