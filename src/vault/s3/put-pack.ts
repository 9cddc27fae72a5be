// Puts a pack and reads all of it back before anybody may refer to it: what a store confirmed and what it
// keeps are two things, and for a while this object is the only copy (docs/formats/s3.md, "Writing").
import { equalBytes } from '../../kernel/bytes.ts';
import { PostsealError } from '../../kernel/errors.ts';
import type { PackId } from '../../kernel/ids.ts';
import { sha256 } from '../formats/pack.ts';
import { packKey } from './object-keys.ts';
import type { ObjectStore } from './object-store.ts';

/** @throws PostsealError `store.unreachable`; `store.write-failed` if other bytes came back. */
export async function putPack(
  objects: ObjectStore,
  pack: PackId,
  bytes: Uint8Array,
): Promise<void> {
  const key = packKey(pack);
  await objects.put(key, bytes);
  if (!equalBytes(sha256(await objects.get(key)), sha256(bytes))) {
    throw new PostsealError('store.write-failed', { pack, what: 'read back' });
  }
}
