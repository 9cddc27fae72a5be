// The newest event of one kind, sequenced or still in the inbox, in one snapshot: what a process asks that
// records something only when it differs from what was recorded last.
import { type Queryable, statement } from '../../platform/postgres/statement.ts';
import { type JsonValue, parseCanonical } from '../event/canonical-json.ts';
import type { EventName } from '../event/registry.ts';

const newest = statement<{ body: Buffer }>(
  'ledger.last-event',
  `SELECT body FROM (
     SELECT 1 AS source, i.id AS place, u.n, u.body
       FROM public.audit_inbox i, unnest(i.bodies) WITH ORDINALITY AS u (body, n)
      WHERE convert_from(u.body, 'UTF8')::jsonb ->> 'op' = $1
     UNION ALL
     (SELECT 0, l.seq, 0, l.body FROM public.audit_log l
       WHERE l.op = $1 AND l.body IS NOT NULL ORDER BY l.seq DESC LIMIT 1)
   ) e ORDER BY source DESC, place DESC, n DESC LIMIT 1`,
);

/** Its `fields`; undefined if there is none, or none whose body was kept. */
export async function lastEventFields(
  client: Queryable,
  name: EventName,
): Promise<Readonly<Record<string, JsonValue>> | undefined> {
  const row = await newest.first(client, [name]);
  if (row === undefined) return undefined;
  const leaf = parseCanonical(row.body) as
    { readonly f?: Readonly<Record<string, JsonValue>> } | undefined;
  return leaf?.f ?? {};
}
