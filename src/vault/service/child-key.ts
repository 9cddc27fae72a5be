// Keys directly under a custodian key, as rows: made, wrapped and opened (docs/formats/wrap.md).
import { randomBytes } from 'node:crypto';
import { PostsealError } from '../../kernel/errors.ts';
import { unwrapWithDerived, wrapWithDerived } from '../formats/wrap.ts';
import { xchachaNonceBytes } from '../xchacha.ts';
import type { ChildRow, GroupRow, SlotRow } from './key-rows.store.ts';
import { destroyAll, ParentKey, ParentKeys } from './parent-key.ts';
import { newKeyId } from './root-keys.ts';

type ChildPurpose = 'group-key' | SlotRow['slot'];

/** A fresh random key under `ck`, wrapped; the key itself is zeroed again. */
export function newChild(ck: ParentKey, purpose: ChildPurpose, version = 1): ChildRow {
  return wrapChild(ck, purpose, { keyId: newKeyId(), version }, randomBytes(32));
}

/** The row of `key` under `ck`; `key` is zeroed. */
export function wrapChild(
  ck: ParentKey,
  purpose: ChildPurpose,
  { keyId, version }: Pick<ChildRow, 'keyId' | 'version'>,
  key: Buffer,
): ChildRow {
  const context = {
    purpose,
    custodianId: ck.owner,
    parentKeyId: ck.id,
    parentVersion: ck.version,
    objectId: keyId,
  };
  let wrap: Uint8Array;
  try {
    const nonce = randomBytes(xchachaNonceBytes);
    wrap = wrapWithDerived(ck.wrapping(purpose), context, nonce, key);
  } finally {
    key.fill(0);
  }
  const names = { owner: ck.owner, keyId, version, parentVersion: ck.version };
  return { ...names, state: 'live', wrap: Buffer.from(wrap) };
}

/** All versions of one group key. @throws PostsealError `key.destroyed` when none is left. */
export function openGroup(parents: ParentKeys, rows: readonly GroupRow[]): ParentKeys {
  const keys: { key: ParentKey; live: boolean }[] = [];
  try {
    for (const row of rows) {
      const key = openChild(parents, 'group-key', row);
      if (key === undefined) continue;
      const parent = new ParentKey(row.owner, row.keyId, row.version, key);
      keys.push({ key: parent, live: row.state === 'live' });
    }
  } catch (error) {
    destroyAll(keys);
    throw error;
  }
  if (keys.length === 0) throw new PostsealError('key.destroyed', { kind: 'group-key' });
  const ever = rows.map(({ version }) => version);
  return new ParentKeys(keys, ever);
}

/** Opens a row; undefined for a key that was destroyed, itself or with its parent. */
export function openChild(
  parents: ParentKeys,
  purpose: ChildPurpose,
  row: ChildRow,
): Buffer | undefined {
  const parent = parents.version(row.parentVersion);
  if (row.wrap === undefined || parent === undefined) return undefined;
  const context = {
    purpose,
    custodianId: row.owner,
    parentKeyId: parent.id,
    parentVersion: parent.version,
    objectId: row.keyId,
  };
  // A view, no copy that would stay behind.
  const key = unwrapWithDerived(parent.wrapping(purpose), context, row.wrap);
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength);
}
