// Ledger events of this room (src/ledger/event/events/{mail,mailbox,account}.ts). They name mailboxes by
// id and messages by uid sets under a UIDVALIDITY; names and keywords never enter a leaf.
import type { AccountId, MailboxId, UidValidity } from '../kernel/ids.ts';
import type { JsonValue } from '../ledger/event/canonical-json.ts';
import type { Actor, EventDraft } from '../ledger/event/draft.ts';
import type { EventName } from '../ledger/event/registry.ts';

/** `part` is set when a large command needed several events. */
export function messagesDraft(
  op: EventName,
  actor: Actor,
  where: {
    readonly mailbox: MailboxId;
    readonly uidValidity: UidValidity;
    readonly to?: MailboxId;
  },
  what: { readonly uids: string; readonly n: number; readonly fields?: Record<string, JsonValue> },
  part: EventDraft['part'],
): EventDraft {
  const objects = [{ t: 'mbx' as const, id: where.mailbox, n: what.n }];
  return {
    op,
    outcome: 'success',
    actor,
    objects: where.to === undefined ? objects : [...objects, { t: 'mbx' as const, id: where.to }],
    fields: { uv: where.uidValidity, uids: what.uids, ...what.fields },
    ...(part === undefined ? {} : { part }),
  };
}

export function mailboxesDraft(
  op: EventName,
  actor: Actor,
  account: AccountId,
  mailboxes: readonly MailboxId[],
  fields?: Record<string, JsonValue>,
): EventDraft {
  const boxes = mailboxes.map((id) => ({ t: 'mbx' as const, id }));
  return {
    op,
    outcome: 'success',
    actor,
    objects: [{ t: 'acc', id: account }, ...boxes],
    ...(fields === undefined ? {} : { fields }),
  };
}
