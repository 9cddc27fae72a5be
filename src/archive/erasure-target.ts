// How every room takes part in the erasure of a record without the archive knowing the room (architecture
// §1): whoever has a table with a `record_id` brings a target, src/app/erasure-targets.ts lists them, and a
// house test compares that list with the tables of a migrated database.
import type { Queryable } from '../platform/postgres/statement.ts';
import type { Part } from './committer/types.ts';
import type { RecordRef } from './types.ts';

/** What one table holds of a record. */
export interface HeldRows {
  readonly table: string;
  readonly rows: number;
}

/** A prepared purge; its part goes into the operation whose event names the erasure. */
export interface Purge<out O = unknown> {
  readonly part: Part<O>;
  /** Lets go what was held for it. Called once, when the operation has ended, whatever its outcome. */
  release?(): Promise<void>;
}

export interface ErasureTarget<out O = unknown> {
  /** Room and thing, for example `mailbox.message`. */
  readonly name: string;
  /** Tables with a `record_id` that hold nothing of the record afterwards. */
  readonly tables: readonly string[];
  /** Tables with a `record_id` whose rows stay, with the reason. */
  readonly kept: Readonly<Record<string, string>>;
  /** What there is of the record in `tables`; changes nothing. Tables without rows may be left out. */
  discover(client: Queryable, record: RecordRef): Promise<readonly HeldRows[]>;
  /** @throws PostsealError `key.destroyed` where the record must be there and is not. */
  purge(record: RecordRef): Promise<Purge<O>>;
  /** Looks again after the commit, with its own eyes: what is still there, nothing when all is well. */
  verify(client: Queryable, record: RecordRef): Promise<readonly HeldRows[]>;
}

/** Only tables that hold something. */
export function held(rows: readonly HeldRows[]): HeldRows[] {
  return rows.filter(({ rows: count }) => count > 0);
}
