// Folds flag changes of one batch: several changes of one message become one
// `flags = (flags & ~removed) | added`, in order of arrival (architecture §2). Pure.
// A change with UNCHANGEDSINCE must see the row as the changes before it left it, so it opens a new
// wave for its message; every wave is one statement that computes from the rows of the wave before.
import { orBits, withoutBits } from './bits.ts';

/** One message of one store operation. */
export interface FlagEdit {
  readonly custodian: string;
  readonly mailbox: string;
  readonly uid: number;
  readonly removed: number;
  readonly added: number;
  /** Row condition `modseq <= since`; undefined for an unconditional change. */
  readonly since: number | undefined;
  readonly event: string;
}

export interface FoldedEdit extends FlagEdit {
  /** Indexes of the operations that were folded into it, in order of arrival. */
  readonly items: readonly number[];
}

interface Slot {
  wave: number;
  edit: { -readonly [K in keyof FlagEdit]: FlagEdit[K] } & { items: number[] };
}

/** `first` and then `second`, as one change. */
export function thenEdit(
  first: { readonly removed: number; readonly added: number },
  second: { readonly removed: number; readonly added: number },
): { removed: number; added: number } {
  return {
    removed: orBits(first.removed, second.removed),
    added: orBits(withoutBits(first.added, second.removed), second.added),
  };
}

/** `edits[i]` belongs to operation `i`; answers the waves in which to run them. */
export function foldEdits(
  edits: Iterable<readonly [item: number, edit: FlagEdit]>,
): FoldedEdit[][] {
  const latest = new Map<string, Slot>();
  const waves: Slot['edit'][][] = [];
  for (const [item, edit] of edits) {
    const key = `${edit.mailbox}/${edit.uid}`;
    const before = latest.get(key);
    const joins =
      before !== undefined && edit.since === undefined && before.edit.since === undefined;
    if (joins) {
      Object.assign(before.edit, thenEdit(before.edit, edit), { event: edit.event });
      before.edit.items.push(item);
      continue;
    }
    const slot: Slot = {
      wave: before === undefined ? 0 : before.wave + 1,
      edit: { ...edit, items: [item] },
    };
    (waves[slot.wave] ??= []).push(slot.edit);
    latest.set(key, slot);
  }
  return waves;
}
