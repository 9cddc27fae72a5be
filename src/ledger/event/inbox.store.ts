// The way of sealed events into the database: one audit_inbox row, first in the operation's own
// transaction, so that what is not recorded cannot commit (docs/formats/ledger.md "Inbox").
import type pg from 'pg';
import type { EventId } from '../../kernel/ids.ts';
import {
  byteaArray,
  int4Array,
  textArray,
  uuidArray,
} from '../../platform/postgres/binary-arrays.ts';
import type { Database } from '../../platform/postgres/database.ts';
import { type Queryable, statement } from '../../platform/postgres/statement.ts';
import type { EventDraft, SealedEvent, SideRow } from './draft.ts';
import type { EventSealer } from './event-sealer.ts';
import { inboxNames } from './inbox-names.ts';

const insertInbox = statement(
  'ledger.inbox.insert',
  `INSERT INTO public.audit_inbox (event_ids, bodies, objects, object_events)
   VALUES ($1::uuid[], $2::bytea[], $3::uuid[], $4::int4[])`,
);
const insertSide = statement(
  'ledger.side.insert',
  `INSERT INTO public.audit_side (event_id, slot, subject, key_id, sealed)
   SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::bytea[])`,
);
const selectEvents = statement<{ event_id: string; body: Buffer }>(
  'ledger.events.by-id',
  `SELECT event_id, body FROM (
     SELECT u.event_id, u.body FROM public.audit_inbox i, unnest(i.event_ids, i.bodies) AS u (event_id, body)
      WHERE i.event_ids && $1::uuid[] AND u.event_id = ANY ($1::uuid[])
     UNION ALL
     SELECT l.event_id, l.body FROM public.audit_log l WHERE l.event_id = ANY ($1::uuid[])
   ) e WHERE body IS NOT NULL`,
);

/**
 * SQL: what the inbox row `row` says that its events name, at the first of them (`place` 1), else null.
 * Compare with `truthfulNames`.
 */
export function namesSql(row: string, place: string): string {
  return `CASE WHEN ${place} = 1
    THEN concat(array_to_string(${row}.objects, ' ', '-'), '|', array_to_string(${row}.object_events, ' ', '-'))
  END`;
}

/**
 * Writes the events of one transaction: MUST be its first statement after BEGIN and locks. Both
 * statements are sent at once, so that a connection in pipeline mode does not wait between them.
 */
export async function inboxInsert(
  client: pg.ClientBase,
  events: readonly SealedEvent[],
): Promise<void> {
  if (events.length === 0) return;
  const ids = uuidArray(events.map((event) => event.id));
  const bodies = byteaArray(events.map((event) => event.body));
  const names = inboxNames(events.map((event) => event.names));
  const side = events.flatMap((event) => event.side);
  await Promise.all([
    insertInbox.run(client, [ids, bodies, uuidArray(names.objects), int4Array(names.events)]),
    ...(side.length > 0 ? [sideInsert(client, side)] : []),
  ]);
}

function sideInsert(client: pg.ClientBase, rows: readonly SideRow[]): Promise<number> {
  return insertSide.run(client, [
    uuidArray(rows.map((row) => row.event)),
    textArray(rows.map((row) => row.slot)),
    uuidArray(rows.map((row) => row.subject)),
    uuidArray(rows.map((row) => row.keyId)),
    byteaArray(rows.map((row) => row.sealed)),
  ]);
}

/**
 * A transaction outside the committer (administration): the events' inbox row comes first, then `run`,
 * which gives the rows it changes the ids of these events. If it fails, the numbers are voided. Calls
 * with one sealer run one after the other; `run` MUST NOT call it again with the same sealer.
 */
export function withEvents<T>(
  database: Pick<Database, 'transaction'>,
  sealer: EventSealer,
  drafts: readonly EventDraft[],
  run: (client: pg.ClientBase, events: readonly SealedEvent[]) => Promise<T>,
): Promise<T> {
  return sealer.exclusive(async () => {
    const events: SealedEvent[] = [];
    let all: readonly SealedEvent[] = events;
    try {
      for (const draft of drafts) events.push(sealer.seal(draft));
      all = [...events, ...sealer.takeVoids()];
      return await database.transaction(async (client) => {
        await inboxInsert(client, all);
        return await run(client, events);
      });
    } catch (error) {
      for (const event of all) sealer.void(event.q);
      throw error;
    }
  });
}

const selectAge = statement<{ ms: number | null }>(
  'ledger.inbox.age',
  `SELECT (extract(epoch FROM clock_timestamp() - (SELECT at FROM public.audit_inbox ORDER BY id LIMIT 1)) * 1000)::float8 AS ms`,
);

/**
 * Milliseconds since the oldest event that the sequencer has not taken, 0 if there is none: what
 * back-pressure and readiness go by. A healthy ledger stays under a second.
 */
export async function inboxAgeMs(client: Queryable): Promise<number> {
  return Math.max(0, (await selectAge.first(client))?.ms ?? 0);
}

/**
 * Bodies of committed events by id, from the inbox or the log in one snapshot, so that an event on
 * its way from one to the other is seen. Events that do not exist are missing from the map.
 */
export async function readEvents(
  client: Queryable,
  ids: readonly EventId[],
): Promise<Map<EventId, Buffer>> {
  const out = new Map<EventId, Buffer>();
  if (ids.length === 0) return out;
  for (const row of await selectEvents.rows(client, [uuidArray(ids)])) {
    out.set(row.event_id as EventId, row.body);
  }
  return out;
}
