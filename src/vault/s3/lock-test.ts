// The lock is tried at each start with a throw-away object (docs/formats/s3.md, "Lock"): who only pretends
// to lock would let go of what the law wants kept, and nobody would know until it is gone.
import { equalBytes } from '../../kernel/bytes.ts';
import { PostsealError } from '../../kernel/errors.ts';
import type { UnixMs } from '../../kernel/time.ts';
import { lockTestFolder } from './object-keys.ts';
import type { LockProbe } from './lock-probe.ts';

export interface LockTestOptions {
  readonly now: () => UnixMs;
  readonly random: (length: number) => Uint8Array;
}

const lockMs = 120_000;

/**
 * Locks an object for two minutes, tries to delete and to shorten it, and removes those of earlier starts.
 * @throws PostsealError `config.store-lock` with what was possible; `store.unreachable`.
 */
export async function testLock(probe: LockProbe, options: LockTestOptions): Promise<void> {
  const bytes = Buffer.from(options.random(32));
  const key = `${lockTestFolder}${bytes.toString('hex').slice(0, 32)}`;
  const until = (options.now() + lockMs) as UnixMs;
  const fail = (what: string): never => {
    throw new PostsealError('config.store-lock', { what });
  };
  const version = await probe.putLocked(key, bytes, until);
  if (version === undefined) return fail('the bucket keeps no versions or takes no lock');
  const locked = await probe.lockedUntil(key, version);
  if (locked === undefined || locked < until) fail('it does not say that it is locked');
  if (await probe.shorten(key, version, (until - lockMs / 2) as UnixMs)) {
    fail('its lock could be shortened');
  }
  if (await probe.removeVersion(key, version)) fail('it could be deleted');
  const after = await probe.lockedUntil(key, version);
  if (after === undefined || after < until) fail('its lock was gone afterwards');
  const kept = await probe.get(key, version);
  if (kept === undefined || !equalBytes(kept, bytes)) fail('it was gone afterwards');
  await probe.removeExpired(lockTestFolder, (options.now() - 2 * lockMs) as UnixMs);
}
