// Part kind `mailbox.keywords`: gives new keywords a bit in their mailbox, under the mailbox lock, so
// that two sessions that use a keyword first at the same moment agree on its bit.
import { PostsealError } from '../../kernel/errors.ts';
import type { CustodianId, MailboxId } from '../../kernel/ids.ts';
import type { PartKind } from '../../archive/committer/types.ts';
import { byteaArray } from '../../platform/postgres/binary-arrays.ts';
import { statement } from '../../platform/postgres/statement.ts';
import { firstKeywordBit, lastKeywordBit } from '../flags/bits.ts';
import type { SealedName } from '../names/name-sealer.ts';
import { lockedMailbox } from './mailbox-lock.store.ts';

export interface KeywordsPart {
  readonly custodian: CustodianId;
  readonly mailbox: MailboxId;
  /** Hex; undefined when the mailbox was not asked for by a name. */
  readonly nameTag: string | undefined;
  /** Distinct tags. */
  readonly names: readonly SealedName[];
}

interface KeywordRow {
  readonly tag: string;
  readonly bit: number;
}

const allot = statement<KeywordRow>(
  'mailbox.keywords',
  `WITH t AS (
    SELECT * FROM unnest($3::bytea[], $4::bytea[]) WITH ORDINALITY AS t (tag, cell, n)
  ), known AS (
    SELECT name_tag, bit FROM keyword WHERE custodian_id = $1 AND mailbox_id = $2
  ), fresh AS (
    INSERT INTO keyword (custodian_id, mailbox_id, bit, name_tag, name_cell)
    SELECT $1, $2, x.bit, x.tag, x.cell FROM (
      SELECT t.tag, t.cell, (SELECT coalesce(max(bit), ${firstKeywordBit - 1}) FROM known) + row_number() OVER (ORDER BY t.n) AS bit
      FROM t WHERE NOT EXISTS (SELECT FROM known WHERE known.name_tag = t.tag)
    ) x WHERE x.bit <= ${lastKeywordBit}
    RETURNING name_tag, bit
  )
  SELECT encode(name_tag, 'hex') AS tag, bit FROM known WHERE name_tag = ANY($3::bytea[])
  UNION ALL SELECT encode(name_tag, 'hex'), bit FROM fresh`,
);

/** Answers the bit numbers in the order of the names. */
export const keywordsKind: PartKind<KeywordsPart, readonly number[]> = {
  name: 'mailbox.keywords',
  stage: 20,
  locks: ({ mailbox }) => ({ mailboxes: [mailbox] }),
  apply: (tx, items) =>
    Promise.all(
      items.map(async ({ input: { custodian, mailbox, nameTag, names } }) => {
        const refused = lockedMailbox(tx, custodian, mailbox, nameTag);
        if (refused instanceof PostsealError) return refused;
        const rows = await allot.rows(tx.client, [
          custodian,
          mailbox,
          byteaArray(names.map(({ tag }) => tag)),
          byteaArray(names.map(({ cell }) => cell)),
        ]);
        const bits = new Map(rows.map(({ tag, bit }) => [tag, bit]));
        const found = names.map(({ tag }) => bits.get(tag.toString('hex')));
        return found.every((bit) => bit !== undefined)
          ? found
          : new PostsealError('limit.reached', { limit: 'keywords', mailbox });
      }),
    ),
};
