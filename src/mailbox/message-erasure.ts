// What an erasure takes from mailboxes: every message of the record leaves the view, as if expunged.
import { held, type ErasureTarget, type HeldRows, type Purge } from '../archive/erasure-target.ts';
import { part } from '../archive/committer/types.ts';
import type { RecordRef } from '../archive/types.ts';
import type { MailboxId } from '../kernel/ids.ts';
import type { Queryable } from '../platform/postgres/statement.ts';
import { forgetKind, placesOf } from './parts/forget.store.ts';
import type { Room } from './room.ts';

export class MessageErasure implements ErasureTarget<null> {
  readonly name = 'mailbox.message';
  readonly tables = ['message'];
  readonly kept = {
    message_history:
      'which record a uid of a mailbox was, for the life of the ledger (docs/architecture.md §4)',
  };
  readonly #room: Pick<Room, 'db' | 'states'>;

  constructor(room: Pick<Room, 'db' | 'states'>) {
    this.#room = room;
  }

  async discover(client: Queryable, ref: RecordRef): Promise<readonly HeldRows[]> {
    return held([{ table: 'message', rows: (await placesOf(client, ref)).length }]);
  }

  async purge(ref: RecordRef): Promise<Purge<null>> {
    const { db, states } = this.#room;
    const locate = async (): Promise<MailboxId[]> => [
      ...new Set((await placesOf(db.pool, ref)).map(({ mailbox }) => mailbox)),
    ];
    const mailboxes = await locate();
    return { part: part(forgetKind, { ref, mailboxes, locate, sink: states, deltas: [] }) };
  }

  verify(client: Queryable, ref: RecordRef): Promise<readonly HeldRows[]> {
    return this.discover(client, ref);
  }
}
