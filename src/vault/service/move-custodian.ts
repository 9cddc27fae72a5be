// One custodian's way under the live generation (docs/formats/key-hierarchy.md "Generations"). Without a marked
// group the custodian key is wrapped once more. With one it is rotated: marked groups get a new key, the others
// and the slots hang under the new custodian key, and the old one is never wrapped under a newer KEK, so that
// with the old KEK everything ends that only it could open.
import { randomBytes } from 'node:crypto';
import { PostsealError } from '../../kernel/errors.ts';
import { newChild, openChild, wrapChild } from './child-key.ts';
import type { LiveGroup } from './generation-rows.store.ts';
import type { ChildRow, GroupRow, KekWrappedRow, SlotRow } from './key-rows.store.ts';
import { destroyAll, ParentKey, ParentKeys } from './parent-key.ts';
import { newKeyId, type RootKeys } from './root-keys.ts';

export interface CustodianRows {
  readonly custodian: string;
  readonly keys: readonly KekWrappedRow[];
  readonly slots: readonly SlotRow[];
  readonly groups: readonly LiveGroup[];
}

/** What is to be written; nothing of it holds an open key. */
export interface CustodianMove {
  readonly custodian: string;
  readonly ended: KekWrappedRow;
  readonly key: KekWrappedRow;
  readonly rehungGroups: readonly GroupRow[];
  readonly endedGroups: readonly (GroupRow & { readonly last: number })[];
  readonly newGroups: readonly GroupRow[];
  readonly slots: readonly SlotRow[];
}

/** @throws PostsealError `key.destroyed`, `key.unavailable`; IntegrityError for a wrap that does not open. */
export async function planMove(root: RootKeys, rows: CustodianRows): Promise<CustodianMove> {
  const ended = rows.keys.find(({ state }) => state === 'live');
  if (ended === undefined) throw new PostsealError('key.destroyed', { kind: 'custodian-key' });
  if (rows.groups.some(({ marked }) => marked)) return rotate(root, rows, ended);
  const key = await root.unwrap('custodian-key', wrapsOf(rows, ended.version));
  try {
    const { owner, keyId, version } = ended;
    const wrapped = await root.wrap('custodian-key', owner, { id: keyId, version, key });
    return { ...nothing(rows.custodian, ended), key: wrapped };
  } finally {
    key.fill(0);
  }
}

const nothing = (custodian: string, ended: KekWrappedRow) => ({
  custodian,
  ended,
  rehungGroups: [],
  endedGroups: [],
  newGroups: [],
  slots: [],
});

const wrapsOf = ({ keys }: CustodianRows, version: number): KekWrappedRow[] =>
  keys.filter((row) => row.version === version && row.state !== 'destroyed');

async function rotate(
  root: RootKeys,
  rows: CustodianRows,
  ended: KekWrappedRow,
): Promise<CustodianMove> {
  const { custodian, groups, slots } = rows;
  const old = await openVersions(root, rows);
  const id = newKeyId();
  const version = Math.max(...rows.keys.map((row) => row.version)) + 1;
  const fresh = randomBytes(32);
  try {
    const key = await root.wrap('custodian-key', custodian, { id, version, key: fresh });
    const ck = new ParentKey(custodian, id, version, fresh);
    const rehang = <R extends ChildRow>(row: R, purpose: 'group-key' | SlotRow['slot']): R => {
      const opened = openChild(old, purpose, row);
      if (opened === undefined) throw new PostsealError('key.destroyed', { kind: purpose });
      return { ...row, ...wrapChild(ck, purpose, row, opened) };
    };
    const marked = groups.filter((group) => group.marked);
    const move = {
      custodian,
      ended,
      key,
      rehungGroups: groups.filter((row) => !row.marked).map((row) => rehang(row, 'group-key')),
      endedGroups: marked.map((row) => ({ ...row, last: lastOf(rows, row.parentVersion) })),
      newGroups: marked.map(({ group, version: before }) => ({
        ...newChild(ck, 'group-key', before + 1),
        group,
      })),
      slots: slots.filter(({ state }) => state === 'live').map((row) => rehang(row, row.slot)),
    };
    ck.destroy();
    return move;
  } finally {
    fresh.fill(0);
    old.destroy();
  }
}

async function openVersions(root: RootKeys, rows: CustodianRows): Promise<ParentKeys> {
  const needed = new Set([...rows.groups, ...rows.slots].map((row) => row.parentVersion));
  const keys: { key: ParentKey; live: boolean }[] = [];
  try {
    for (const version of needed) {
      const wraps = wrapsOf(rows, version);
      const [first] = wraps;
      if (first === undefined) throw new PostsealError('key.destroyed', { kind: 'custodian-key' });
      const key = await root.unwrap('custodian-key', wraps);
      keys.push({ key: new ParentKey(first.owner, first.keyId, version, key), live: false });
    }
  } catch (error) {
    destroyAll(keys);
    throw error;
  }
  return new ParentKeys(keys);
}

/** The newest generation that ever opened this version of the custodian key. */
function lastOf(rows: CustodianRows, version: number): number {
  return Math.max(...wrapsOf(rows, version).map(({ generation }) => generation));
}
