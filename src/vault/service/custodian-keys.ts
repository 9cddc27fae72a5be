// What the key service holds of one custodian while it is in use: all versions of the custodian key,
// and the keys of its slots (folder names, ledger side records).
import { PostsealError } from '../../kernel/errors.ts';
import type { WriteKey } from '../keys/types.ts';
import type { SlotRow } from './key-rows.store.ts';
import type { ParentKeys } from './parent-key.ts';
import type { Destroyable } from './secret-cache.ts';

/** A Buffer, a map entry and texts around a slot's key. */
const slotBytes = 256;

/** A custodian's parent keys and the keys of its slots. */
export class CustodianKeys implements Destroyable {
  readonly parents: ParentKeys;
  readonly #slots: ReadonlyMap<SlotRow['slot'], WriteKey>;
  constructor(parents: ParentKeys, slots: ReadonlyMap<SlotRow['slot'], WriteKey>) {
    this.parents = parents;
    this.#slots = slots;
  }
  get bytes(): number {
    return this.parents.bytes + this.#slots.size * slotBytes;
  }
  /** The live key of a slot; the cache's own, so copy it. @throws PostsealError `key.destroyed`. */
  slot(slot: SlotRow['slot']): WriteKey {
    const key = this.#slots.get(slot);
    if (key === undefined) throw new PostsealError('key.destroyed', { slot });
    return key;
  }
  destroy(): void {
    this.parents.destroy();
    for (const { key } of this.#slots.values()) key.fill(0);
  }
}
