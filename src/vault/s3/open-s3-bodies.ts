// The S3 body store of a configuration, and the proof that its bucket is what it says.
import { randomBytes } from 'node:crypto';
import { PostsealError } from '../../kernel/errors.ts';
import type { UnixMs } from '../../kernel/time.ts';
import type { S3BodiesConfig } from '../../platform/config/bodies-config.ts';
import type { BodyStore } from '../packs/body-store.ts';
import { openLockProbe } from './lock-probe.ts';
import { testLock } from './lock-test.ts';
import { lockTestFolder } from './object-keys.ts';
import { createS3BodyStore } from './s3-body-store.ts';
import { openS3Objects } from './s3-objects.ts';

export interface OpenS3Options {
  readonly onAway?: (error: PostsealError) => void;
  readonly onBack?: () => void;
}

/** Makes no request. */
export function openS3Bodies(config: S3BodiesConfig, options: OpenS3Options = {}): BodyStore {
  return createS3BodyStore({
    ...options,
    objects: openS3Objects(config),
    random: (length) => randomBytes(length),
    now: () => performance.now(),
    cacheBytes: config.cacheBytes,
  });
}

/**
 * Writes, reads and removes a small object, and tries the lock unless it is off.
 * @throws PostsealError `store.unreachable`; `config.store-lock`.
 */
export async function proveS3(config: S3BodiesConfig): Promise<void> {
  const objects = openS3Objects(config);
  try {
    const bytes = randomBytes(64);
    const key = `${lockTestFolder}${bytes.toString('hex').slice(0, 32)}`;
    await objects.put(key, bytes);
    const some = await objects.get(key, { from: 8, to: 24 });
    if (!some.equals(bytes.subarray(8, 24))) {
      throw new PostsealError('store.write-failed', { what: 'read back' });
    }
    await objects.remove(key);
  } finally {
    objects.close();
  }
  if (config.lock === 'off') return;
  const probe = openLockProbe(config);
  try {
    await testLock(probe, {
      now: () => Date.now() as UnixMs,
      random: (length) => randomBytes(length),
    });
  } finally {
    probe.close();
  }
}

/** Whether the bucket answers. @throws PostsealError `store.unreachable`. */
export async function reachS3(config: S3BodiesConfig): Promise<void> {
  const objects = openS3Objects(config);
  try {
    await objects.about(`${lockTestFolder}none`);
    for await (const about of objects.list(lockTestFolder)) if (about.bytes >= 0) break;
  } finally {
    objects.close();
  }
}
