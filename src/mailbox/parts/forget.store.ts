// Part kind `mailbox.forget`: takes an erased record out of every mailbox that shows it. Its mailboxes are
// locked, and COPY locks its source, so no further copy can arise; one that was made before the locks were
// there is a conflict, and the operation is run again with that mailbox too. The event names them all.
import { PostsealError } from '../../kernel/errors.ts';
import type { MailboxId, ModSeq, RecordId } from '../../kernel/ids.ts';
import type { BatchTx, PartItem, PartKind } from '../../archive/committer/types.ts';
import type { RecordRef } from '../../archive/types.ts';
import { type Queryable, statement } from '../../platform/postgres/statement.ts';
import { DeltaBuilder, type Reporting, reportDeltas } from './delta.ts';
import { departure } from './departure.store.ts';

export interface ForgetPart extends Reporting {
  readonly ref: RecordRef;
  /** Where the record was found; found again after a conflict. */
  mailboxes: readonly MailboxId[];
  /** False: it leaves these mailboxes only, and others are no conflict. */
  readonly everywhere: boolean;
  readonly locate: () => Promise<readonly MailboxId[]>;
}

const places = statement<{ mailbox_id: MailboxId; uid: string }>(
  'mailbox.forget.places',
  'SELECT mailbox_id, uid FROM message WHERE custodian_id = $1 AND record_id = $2 ORDER BY 1, 2',
);
const forget = departure('mailbox.forget', 'true');

export interface MessagePlace {
  readonly mailbox: MailboxId;
  readonly uid: number;
}

/** Every message of the record in the mailboxes of its custodian, deleted mailboxes too. */
export async function placesOf(
  client: Queryable,
  of: { readonly custodian: string; readonly recordId: RecordId },
): Promise<MessagePlace[]> {
  const rows = await places.rows(client, [of.custodian, of.recordId]);
  return rows.map(({ mailbox_id: mailbox, uid }) => ({ mailbox, uid: Number(uid) }));
}

export const forgetKind: PartKind<ForgetPart, null> = {
  name: 'mailbox.forget',
  stage: 65,
  exclusive: true,
  locks: ({ mailboxes }) => ({ mailboxes }),
  names: ({ mailboxes }) => mailboxes.map((id) => ({ t: 'mbx', id })),
  committed: reportDeltas,
  async apply(tx, items) {
    const answers: (null | PostsealError)[] = [];
    for (const item of items) answers.push(await forgetOne(tx, item));
    return answers;
  },
  async recover(input, error) {
    if (error.code !== 'store.conflict') return false;
    input.mailboxes = await input.locate();
    return true;
  },
};

async function forgetOne(
  tx: BatchTx,
  { input, event }: PartItem<ForgetPart>,
): Promise<null | PostsealError> {
  const { custodian, recordId } = input.ref;
  const all = await placesOf(tx.client, input.ref);
  const found = all.filter(({ mailbox }) => input.mailboxes.includes(mailbox));
  if (input.everywhere && found.length < all.length) {
    return new PostsealError('store.conflict', { record: recordId });
  }
  if (found.length === 0) return null;
  const leaving = found.map((place) => ({ ...place, custodian, event }));
  const builder = new DeltaBuilder();
  for (const { candidate, modseq } of await forget(tx, leaving)) {
    builder.vanished(candidate.mailbox, Number(modseq) as ModSeq, candidate.uid);
  }
  input.deltas = [...builder.build().values()].flat();
  return null;
}
