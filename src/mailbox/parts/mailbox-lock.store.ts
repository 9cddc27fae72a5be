// The statement with which the committer locks the mailboxes of a batch, and what parts read from it.
// Composition hands it to `createCommitter`; the order by id is the lock order of architecture §2.
import { PostsealError } from '../../kernel/errors.ts';
import type { CustodianId, MailboxId, UidValidity } from '../../kernel/ids.ts';
import type { BatchTx } from '../../archive/committer/types.ts';

export const mailboxLock = {
  name: 'mailbox.lock',
  text: `SELECT mailbox_id, custodian_id, uidvalidity, deleted_at IS NOT NULL AS gone,
      encode(name_tag, 'hex') AS name_tag
    FROM mailbox WHERE mailbox_id = ANY($1::uuid[]) ORDER BY mailbox_id FOR UPDATE`,
} as const;

export interface LockedMailbox {
  readonly custodian: CustodianId;
  readonly uidValidity: UidValidity;
}

/**
 * The locked row, or the error for a mailbox that is gone, of another custodian, or no longer the one that
 * was asked for by the name of `nameTag` (hex).
 */
export function lockedMailbox(
  tx: BatchTx,
  custodian: CustodianId,
  mailbox: MailboxId,
  nameTag?: string,
): LockedMailbox | PostsealError {
  const row = tx.lockedMailboxes.get(mailbox);
  const there = row?.['gone'] === false && row['custodian_id'] === custodian;
  if (!there || (nameTag !== undefined && row['name_tag'] !== nameTag)) {
    return new PostsealError('mailbox.unknown', { mailbox });
  }
  return { custodian, uidValidity: Number(row['uidvalidity']) as UidValidity };
}
