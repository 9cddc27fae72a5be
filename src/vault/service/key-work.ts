// The calls of the key service over prepared keys: wrap, rewrap and open below a parent key. Synchronous
// and without I/O, so that no leased key waits for anything (docs/formats/wrap.md).
import { formatFailure } from '../formats/failure.ts';
import { randomBytes } from 'node:crypto';
import { assert, PostsealError } from '../../kernel/errors.ts';
import {
  silencedVersion,
  unwrapWithDerived,
  wrapBytes,
  wrapParentVersion,
  wrapWithDerived,
  type WrapContext,
} from '../formats/wrap.ts';
import { keyBytes } from '../keys/key-protocol.ts';
import type { KeySlot, WrapPurpose } from '../keys/types.ts';
import { xchachaNonceBytes } from '../xchacha.ts';
import type { GroupPlace, KeyBatch } from './key-batch.ts';
import type { ParentKey, ParentKeys } from './parent-key.ts';

/** True for purposes whose parent is the custodian key itself. */
export const directPurposes: Readonly<Record<WrapPurpose, boolean>> = {
  dek: false,
  part: false,
  cell: false,
  page: false,
  names: true,
  'side-record': true,
  segment: true,
};

/** The group that a slot hangs under; undefined directly under the custodian key. */
export function groupOf(slot: KeySlot): GroupPlace | undefined {
  if (!directPurposes[slot.purpose]) return slot;
  assert(slot.group === 0, 'a key directly under the custodian key has group 0');
  return undefined;
}

function parentsOf(batch: KeyBatch, slot: KeySlot): ParentKeys {
  const group = groupOf(slot);
  return group === undefined ? batch.custodian(slot.custodian).parents : batch.group(group);
}

/** Wraps keys one after the other; `out` is filled with wraps of 78 bytes. */
export function wrapAll(
  batch: KeyBatch,
  items: readonly { readonly slot: KeySlot; readonly key: Uint8Array }[],
): Buffer {
  const out = Buffer.alloc(items.length * wrapBytes);
  const nonces = randomBytes(items.length * xchachaNonceBytes);
  items.forEach(({ slot, key }, i) => {
    const parent = parentsOf(batch, slot).newest;
    if (parent === undefined) throw new PostsealError('key.destroyed', { purpose: slot.purpose });
    const nonce = nonces.subarray(i * xchachaNonceBytes, (i + 1) * xchachaNonceBytes);
    const wrap = wrapWithDerived(
      parent.wrapping(slot.purpose),
      contextOf(slot, parent),
      nonce,
      key,
    );
    out.set(wrap, i * wrapBytes);
  });
  return out;
}

/** Opens wraps; the caller zeroes the result. On a failure nothing that was opened is left. */
export function openAll(
  batch: KeyBatch,
  items: readonly { readonly slot: KeySlot; readonly wrap: Uint8Array }[],
): Buffer {
  const out = Buffer.alloc(items.length * keyBytes);
  try {
    items.forEach(({ slot, wrap }, i) => {
      openOne(batch, slot, wrap, out.subarray(i * keyBytes, (i + 1) * keyBytes));
    });
    return out;
  } catch (error) {
    out.fill(0);
    throw error;
  }
}

function openOne(batch: KeyBatch, slot: KeySlot, wrap: Uint8Array, out: Buffer): void {
  if (wrap.length === 0) {
    const { purpose } = slot;
    if (purpose !== 'names' && purpose !== 'side-record') {
      throw new PostsealError('key.refused', { reason: 'no-wrap', purpose });
    }
    out.set(batch.custodian(slot.custodian).slot(purpose).key);
    return;
  }
  const parents = parentsOf(batch, slot);
  const version = wrapParentVersion(wrap);
  const parent = parents.version(version);
  if (parent === undefined) {
    // What a restore took away from erased mail; everything else that never was is no wrap of ours.
    const silenced = version === silencedVersion;
    if (!silenced && !parents.everHad(version))
      throw formatFailure('wrap', 'identity', 'parent version');
    throw new PostsealError('key.destroyed', { purpose: slot.purpose });
  }
  const key = unwrapWithDerived(parent.wrapping(slot.purpose), contextOf(slot, parent), wrap);
  out.set(key);
  key.fill(0);
}

function contextOf(slot: KeySlot, parent: ParentKey): WrapContext {
  return {
    purpose: slot.purpose,
    custodianId: slot.custodian,
    parentKeyId: parent.id,
    parentVersion: parent.version,
    objectId: slot.objectId,
  };
}

/** Moves wraps to other slots; each key exists only here and only for a moment. */
export function rewrapAll(
  batch: KeyBatch,
  items: readonly { readonly from: KeySlot; readonly wrap: Uint8Array; readonly to: KeySlot }[],
): Buffer {
  const keys = openAll(
    batch,
    items.map(({ from, wrap }) => ({ slot: from, wrap })),
  );
  try {
    const fresh = items.map(({ to }, i) => ({
      slot: to,
      key: keys.subarray(i * keyBytes, (i + 1) * keyBytes),
    }));
    return wrapAll(batch, fresh);
  } finally {
    keys.fill(0);
  }
}
