// Part kind `mailbox.expunge`: takes messages with \Deleted out of the view (RFC 9051 §6.4.3, §6.4.9).
// The record stays in the archive; the row goes to message_history.
import { PostsealError } from '../../kernel/errors.ts';
import type { CustodianId, MailboxId, ModSeq, Uid } from '../../kernel/ids.ts';
import type { PartItem, PartKind } from '../../archive/committer/types.ts';
import { DeltaBuilder, type Reporting, reportDeltas } from './delta.ts';
import { departure, type DepartureRow } from './departure.store.ts';
import type { LeavingMessage } from './leave.store.ts';
import { lockedMailbox } from './mailbox-lock.store.ts';

export interface ExpungePart extends Reporting {
  readonly custodian: CustodianId;
  readonly mailbox: MailboxId;
  /** Candidates; those without \Deleted stay. */
  readonly uids: readonly Uid[];
}

export interface Expunged {
  readonly uids: readonly Uid[];
  /** Of the departure; undefined when nothing left. */
  readonly modseq: ModSeq | undefined;
}

const expunge = departure('mailbox.expunge', 'm.flags & 8 <> 0');

type Candidate = LeavingMessage & { readonly item: number };

export const expungeKind: PartKind<ExpungePart, Expunged> = {
  name: 'mailbox.expunge',
  stage: 60,
  locks: ({ mailbox }) => ({ mailboxes: [mailbox] }),
  committed: reportDeltas,
  async apply(tx, items) {
    const refused = items.map(({ input }) => lockedMailbox(tx, input.custodian, input.mailbox));
    const candidates = candidatesOf(items, (i) => !(refused[i] instanceof PostsealError));
    const outputs = collect(items, await expunge(tx, candidates));
    return outputs.map((output, i) => {
      const refusal = refused[i];
      return refusal instanceof PostsealError ? refusal : output;
    });
  },
};

/** Each message once: of two operations that want it out, the first takes it. */
function candidatesOf(
  items: readonly PartItem<ExpungePart>[],
  accepted: (index: number) => boolean,
): Candidate[] {
  const seen = new Set<string>();
  const out: Candidate[] = [];
  for (const [item, { input, event }] of items.entries()) {
    if (!accepted(item)) continue;
    const { custodian, mailbox } = input;
    for (const uid of input.uids) {
      const key = `${mailbox}/${uid}`;
      if (seen.has(key)) continue;
      seen.add(key);
      out.push({ custodian, mailbox, uid, event, item });
    }
  }
  return out;
}

function collect(
  items: readonly PartItem<ExpungePart>[],
  rows: readonly DepartureRow<Candidate>[],
): Expunged[] {
  const builder = new DeltaBuilder();
  const out = items.map(() => ({ uids: [] as Uid[], modseq: undefined as ModSeq | undefined }));
  for (const { candidate, modseq } of rows) {
    const answer = out[candidate.item];
    if (answer === undefined) continue;
    answer.modseq = Number(modseq) as ModSeq;
    answer.uids.push(candidate.uid as Uid);
    builder.vanished(candidate.mailbox as MailboxId, answer.modseq, candidate.uid);
  }
  const deltas = builder.build();
  for (const { input } of items) input.deltas = deltas.get(input.mailbox) ?? [];
  for (const { uids } of out) uids.sort((a, b) => a - b);
  return out;
}
