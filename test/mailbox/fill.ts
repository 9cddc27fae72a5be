// Many messages at once, written by one statement under one event: for what only shows in large mailboxes.
import { randomBytes, randomUUID } from 'node:crypto';
import type { MailboxId, OrganisationId } from '../../src/kernel/ids.ts';
import type { UnixMs } from '../../src/kernel/time.ts';
import { systemActor } from '../../src/ledger/event/draft.ts';
import { createEventSealer } from '../../src/ledger/event/event-sealer.ts';
import { withEvents } from '../../src/ledger/event/inbox.store.ts';
import type { Account } from '../../src/mailbox/types.ts';
import type { Database } from '../../src/platform/postgres/database.ts';

/** Fills an empty mailbox with uids 1 to `count`, without change log, as a restored one would be. */
export async function fillMailbox(
  db: Database,
  account: Account,
  mailbox: MailboxId,
  count: number,
): Promise<void> {
  const sealer = createEventSealer({
    node: 'test',
    boot: randomUUID(),
    organisation: randomUUID() as OrganisationId,
    component: 'worker',
    clock: { now: () => Date.now() as UnixMs },
    random: (n) => randomBytes(n),
  });
  const draft = {
    op: 'mail.imported' as const,
    outcome: 'success' as const,
    actor: systemActor,
    objects: [{ t: 'mbx' as const, id: mailbox, n: count }],
  };
  await withEvents(db, sealer, [draft], async (client, [event]) => {
    const id = [account.custodian, mailbox];
    await client.query(
      `INSERT INTO message (custodian_id, mailbox_id, uid, record_id, record_no, size, internal_date, saved_at, flags, modseq, event_id)
       SELECT $1::uuid, $2::uuid, n, gen_random_uuid(), n, 5000, 1700000000000, 1700000000000, n % 8, 1 + n / 1000, $3::uuid
       FROM generate_series(1, $4::int8) AS n`,
      [...id, event!.id, count],
    );
    await client.query(
      `UPDATE mailbox SET uidnext = $4::int8 + 1, highest_modseq = 2 + $4::int8 / 1000, messages = $4::int8,
         unseen = $4::int8 / 2, size = $4::int8 * 5000, event_id = $3 WHERE custodian_id = $1 AND mailbox_id = $2`,
      [...id, event!.id, count],
    );
    await client.query(
      'UPDATE mailbox_memory SET log_floor = 1 + $3::int8 / 1000 WHERE custodian_id = $1 AND mailbox_id = $2',
      [...id, count],
    );
  });
  await db.pool.query('ANALYZE message');
}
