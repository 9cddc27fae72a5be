// What an erasure takes from mailboxes: every message of the record leaves the view, as if expunged.
import { held, type ErasureTarget, type HeldRows, type Purge } from '../archive/erasure-target.ts';
import { part } from '../archive/committer/types.ts';
import type { RecordRef } from '../archive/types.ts';
import type { MailboxId } from '../kernel/ids.ts';
import { type EventDraft, systemActor } from '../ledger/event/draft.ts';
import type { Queryable } from '../platform/postgres/statement.ts';
import { forgetKind, placesOf } from './parts/forget.store.ts';
import type { Room } from './room.ts';

/** An event of 16 KiB names so many mailboxes, beside all else that it says. */
const mailboxesPerEvent = 100;

export class MessageErasure implements ErasureTarget<null> {
  readonly name = 'mailbox.message';
  readonly tables = ['message'];
  readonly kept = {
    message_history:
      'which record a uid of a mailbox was, for the life of the ledger (docs/architecture.md §4)',
  };
  readonly #room: Pick<Room, 'db' | 'states' | 'committer'>;

  constructor(room: Pick<Room, 'db' | 'states' | 'committer'>) {
    this.#room = room;
  }

  async discover(client: Queryable, ref: RecordRef): Promise<readonly HeldRows[]> {
    return held([{ table: 'message', rows: (await placesOf(client, ref)).length }]);
  }

  /**
   * Of a record that is in more mailboxes than the event of its erasure could name, the message leaves
   * the others before, under events of their own.
   */
  async purge(ref: RecordRef): Promise<Purge<null>> {
    const { db, states, committer } = this.#room;
    const locate = async (): Promise<MailboxId[]> => [
      ...new Set((await placesOf(db.pool, ref)).map(({ mailbox }) => mailbox)),
    ];
    const forget = (mailboxes: readonly MailboxId[], everywhere: boolean) =>
      part(forgetKind, { ref, mailboxes, everywhere, locate, sink: states, deltas: [] });
    let mailboxes = await locate();
    while (mailboxes.length > mailboxesPerEvent) {
      const slice = mailboxes.slice(0, mailboxesPerEvent);
      await committer.commit({ events: [leavingDraft(ref)], parts: [forget(slice, false)] });
      mailboxes = await locate();
    }
    return { part: forget(mailboxes, true) };
  }

  verify(client: Queryable, ref: RecordRef): Promise<readonly HeldRows[]> {
    return this.discover(client, ref);
  }
}

function leavingDraft({ custodian, recordId }: RecordRef): EventDraft {
  return {
    op: 'message.expunged',
    outcome: 'success',
    actor: systemActor,
    objects: [
      { t: 'rec', id: recordId },
      { t: 'cus', id: custodian },
    ],
    why: { basis: 'erasure' },
  };
}
