// Rows of imported items, and the committer's part kind that refuses an item that is there already.
import { type Part, part, type PartKind } from '../../archive/committer/types.ts';
import { PostsealError } from '../../kernel/errors.ts';
import type { CustodianId, MailboxId, RecordId } from '../../kernel/ids.ts';
import { byteaArray, int4Array, uuidArray } from '../../platform/postgres/binary-arrays.ts';
import { type Queryable, statement } from '../../platform/postgres/statement.ts';

export interface ImportedItem {
  readonly custodian: CustodianId;
  readonly mailbox: MailboxId;
  /** Keyed hash of the bytes. */
  readonly tag: Buffer;
  /** 0 for the first message with these bytes in one import, 1 for the second. */
  readonly occurrence: number;
  readonly record: RecordId;
}

const insert = statement<{ n: string }>(
  'intake.import-item.insert',
  `INSERT INTO public.import_item (custodian_id, mailbox_id, tag, occurrence, record_id, event_id)
   SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::int[], $5::uuid[], $6::uuid[])
   ON CONFLICT DO NOTHING RETURNING record_id AS n`,
);
const present = statement<{ found: boolean }>(
  'intake.import-item.present',
  `SELECT EXISTS (SELECT FROM public.import_item
    WHERE custodian_id = $1 AND mailbox_id = $2 AND tag = $3 AND occurrence = $4) AS found`,
);

/** True if the item was imported before. */
export async function wasImported(
  client: Queryable,
  item: Omit<ImportedItem, 'record'>,
): Promise<boolean> {
  const { custodian, mailbox, tag, occurrence } = item;
  const row = await present.first(client, [custodian, mailbox, tag, occurrence]);
  return row?.found === true;
}

const importedKind: PartKind<ImportedItem, null> = {
  name: 'intake.imported',
  stage: 60,
  locks: () => ({}),
  async apply(tx, items) {
    const rows = await insert.rows(tx.client, [
      uuidArray(items.map(({ input }) => input.custodian)),
      uuidArray(items.map(({ input }) => input.mailbox)),
      byteaArray(items.map(({ input }) => input.tag)),
      int4Array(items.map(({ input }) => input.occurrence)),
      uuidArray(items.map(({ input }) => input.record)),
      uuidArray(items.map(({ event }) => event)),
    ]);
    const stored = new Set(rows.map((row) => row.n));
    return items.map(({ input }) =>
      stored.has(input.record) ? null : new PostsealError('import.present'),
    );
  },
};

/** The part that remembers an imported item; its operation fails with `import.present` if it was there. */
export function importedPart(item: ImportedItem): Part<null> {
  return part(importedKind, item);
}
