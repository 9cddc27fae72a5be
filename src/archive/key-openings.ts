// Opens wraps under a grant, many in one request. One bad item fails a request of the key service, so
// after such a failure the items are asked for one by one and each gets its own answer.
import { IntegrityError, PostsealError } from '../kernel/errors.ts';
import type { KeyClient, KeySlot, OpenGrant } from '../vault/keys/types.ts';

export type WrappedKey = KeySlot & { readonly wrap: Uint8Array };

/**
 * A key (to be zeroed by the caller) or the reason why there is none, item by item.
 * @throws PostsealError `key.refused` or `key.unavailable`, which are about the request itself.
 */
export async function openEach(
  keys: KeyClient,
  grant: OpenGrant,
  items: readonly WrappedKey[],
): Promise<(Buffer | PostsealError)[]> {
  if (items.length === 0) return [];
  try {
    return await keys.open(grant, items);
  } catch (error) {
    if (!aboutOneItem(error)) throw error;
    if (items.length === 1) return [error];
  }
  const out: (Buffer | PostsealError)[] = [];
  for (const item of items) out.push(...(await openEach(keys, grant, [item])));
  return out;
}

function aboutOneItem(error: unknown): error is PostsealError {
  if (error instanceof IntegrityError) return true;
  return error instanceof PostsealError && error.code === 'key.destroyed';
}
