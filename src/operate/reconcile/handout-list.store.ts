// What the key service wrote down (key_handout, migration 0012) and what the tables say about it. A row of an
// archive or mailbox table cannot be there without its event (docs/formats/ledger.md), so it stands for one.
import { uuidFromBytes } from '../../kernel/ids.ts';
import { int8Array, textArray, uuidArray } from '../../platform/postgres/binary-arrays.ts';
import { type Queryable, statement } from '../../platform/postgres/statement.ts';

export interface HandedOut {
  readonly id: number;
  readonly kind: 'opened' | 'moved' | 'wrapped' | 'write';
  readonly custodian: string;
  /** Unix milliseconds. */
  readonly at: number;
  readonly events: readonly string[];
  readonly purpose: string | undefined;
  readonly keyKind: string;
  readonly keys: number;
  readonly objects: readonly string[];
  readonly recordedBy: string;
}

interface Row {
  readonly handout_id: string;
  readonly kind: HandedOut['kind'];
  readonly custodian_id: string;
  readonly at: Date;
  readonly grant_events: string[];
  readonly purpose: string | null;
  readonly key_kind: string;
  readonly keys: number;
  readonly objects: Buffer;
  readonly recorded_by: string;
}

const selectPage = statement<Row>(
  'operate.handout.page',
  `SELECT handout_id, kind, custodian_id, at, grant_events, purpose, key_kind, keys, objects, recorded_by
     FROM public.key_handout WHERE handout_id > $1 AND handout_id <= $2 ORDER BY handout_id LIMIT $3`,
);
const selectSettled = statement<{ id: string | null }>(
  'operate.handout.settled',
  `SELECT max(handout_id) AS id FROM public.key_handout
    WHERE handout_id > $1 AND at <= now() - make_interval(secs => $2)`,
);
const deleteOld = statement(
  'operate.handout.prune',
  `DELETE FROM public.key_handout WHERE handout_id <= $1 AND at < now() - make_interval(days => $2)`,
);

/** The newest row behind `after` that is at least `seconds` old; undefined when there is none. */
export async function lastSettled(
  client: Queryable,
  after: number,
  seconds: number,
): Promise<number | undefined> {
  const id = (await selectSettled.first(client, [after, seconds]))?.id ?? null;
  return id === null ? undefined : Number(id);
}

/** The next rows behind `after`, up to `through`. */
export async function handedOut(
  client: Queryable,
  after: number,
  through: number,
  limit: number,
): Promise<HandedOut[]> {
  const rows = await selectPage.rows(client, [after, through, limit]);
  return rows.map((row) => ({
    id: Number(row.handout_id),
    kind: row.kind,
    custodian: row.custodian_id,
    at: row.at.getTime(),
    events: row.grant_events,
    purpose: row.purpose ?? undefined,
    keyKind: row.key_kind,
    keys: row.keys,
    objects: uuidsOf(row.objects),
    recordedBy: row.recorded_by,
  }));
}

function uuidsOf(bytes: Buffer): string[] {
  const out: string[] = [];
  for (let at = 0; at < bytes.length; at += 16)
    out.push(uuidFromBytes(bytes.subarray(at, at + 16)));
  return out;
}

/** Removes rows that were compared and are older than `days`. */
export function pruneHandouts(client: Queryable, through: number, days: number): Promise<number> {
  return deleteOld.run(client, [through, days]);
}

export type ContentKind = 'dek' | 'part' | 'cell' | 'page';

/** Ids that the named messages (record_id, record_no) account for: their contents, cells, pages. */
const accounted: Readonly<Record<ContentKind, string>> = {
  dek: `SELECT r.content_id FROM named n JOIN public.record r ON r.custodian_id = $1 AND r.record_id = n.record_id`,
  part: `SELECT unnest(c.parts) FROM named n JOIN public.record r ON r.custodian_id = $1 AND r.record_id = n.record_id
         JOIN public.content c ON c.dedup_domain = r.dedup_domain AND c.content_id = r.content_id`,
  cell: `SELECT n.record_id FROM named n`,
  page: `SELECT s.page_id FROM named n JOIN public.metadata_slot s ON s.custodian_id = $1 AND s.record_no = n.record_no`,
};
/** Those of the ids `o.id` that the tables still know. */
const known: Readonly<Record<ContentKind, string>> = {
  dek: `SELECT r.content_id AS id FROM public.record r WHERE r.custodian_id = $1 AND r.content_id = ANY ($2::uuid[])`,
  part: `SELECT w.content_id AS id FROM public.content_wrap w
          WHERE w.custodian_id = $1 AND w.part AND w.content_id = ANY ($2::uuid[])`,
  cell: `SELECT r.record_id AS id FROM public.record r WHERE r.custodian_id = $1 AND r.record_id = ANY ($2::uuid[])`,
  page: `SELECT s.page_id AS id FROM public.metadata_slot s WHERE s.custodian_id = $1 AND s.page_id = ANY ($2::uuid[])`,
};

/** Messages that left the view count too: they were there when somebody read them. */
const others = (kind: ContentKind, uids: string) =>
  statement<{ id: string }>(
    `operate.handout.others-${kind}${uids === '' ? '' : '-uids'}`,
    `WITH named AS (
       SELECT m.record_id, m.record_no FROM public.message m${uids}
        WHERE m.custodian_id = $1 AND m.mailbox_id = $3
       UNION ALL
       SELECT m.record_id, m.record_no FROM public.message_history m${uids}
        WHERE m.custodian_id = $1 AND m.mailbox_id = $3)
     SELECT o.id FROM unnest($2::uuid[]) AS o (id) EXCEPT ${accounted[kind]}`,
  );
const inRanges = ` JOIN unnest($4::int8[], $5::int8[]) AS u (low, high) ON m.uid BETWEEN u.low AND u.high`;
const othersThan = {
  dek: { uids: others('dek', inRanges), mailbox: others('dek', '') },
  part: { uids: others('part', inRanges), mailbox: others('part', '') },
  cell: { uids: others('cell', inRanges), mailbox: others('cell', '') },
  page: { uids: others('page', inRanges), mailbox: others('page', '') },
} as const;
const selectKnown = (kind: ContentKind) =>
  statement<{ id: string }>(
    `operate.handout.known-${kind}`,
    `SELECT DISTINCT k.id FROM (${known[kind]}) k`,
  );
const knownOf = {
  dek: selectKnown('dek'),
  part: selectKnown('part'),
  cell: selectKnown('cell'),
  page: selectKnown('page'),
};

export const isContentKind = (kind: string): kind is ContentKind => Object.hasOwn(knownOf, kind);

export interface AskedFor {
  readonly custodian: string;
  readonly keyKind: ContentKind;
  readonly objects: readonly string[];
  readonly mailbox: string;
  /** Undefined: every message of the mailbox. */
  readonly uids: readonly (readonly [number, number])[] | undefined;
}

/** The objects that show none of the messages that were asked for. */
export async function notAskedFor(client: Queryable, of: AskedFor): Promise<string[]> {
  const { custodian, keyKind, objects, mailbox, uids } = of;
  const common = [custodian, uuidArray(objects), mailbox];
  const rows =
    uids === undefined
      ? await othersThan[keyKind].mailbox.rows(client, common)
      : await othersThan[keyKind].uids.rows(client, [
          ...common,
          int8Array(uids.map(([low]) => low)),
          int8Array(uids.map(([, high]) => high)),
        ]);
  return rows.map(({ id }) => id);
}

/** How many of the objects the tables still know as this custodian's. */
export async function stillKnown(
  client: Queryable,
  of: Pick<AskedFor, 'custodian' | 'keyKind' | 'objects'>,
): Promise<number> {
  const rows = await knownOf[of.keyKind].rows(client, [of.custodian, uuidArray(of.objects)]);
  return rows.length;
}

const selectErased = statement<{ erased: string }>(
  'operate.handout.erased',
  `SELECT count(*) AS erased FROM public.erased_record
    WHERE custodian_id = $1 AND executed_at >= to_timestamp($2::float8 / 1000)`,
);

/** Records of a custodian that were erased since `at` (Unix milliseconds). */
export async function erasedSince(
  client: Queryable,
  custodian: string,
  at: number,
): Promise<number> {
  return Number((await selectErased.first(client, [custodian, at]))?.erased ?? 0);
}

const selectTaken = statement<{ taken: string }>(
  'operate.handout.taken',
  `SELECT count(*) AS taken FROM public.record
    WHERE custodian_id = $1 AND archived_at >= to_timestamp($2::float8 / 1000)`,
);

/** Records that a custodian got since `at` and still has. */
export async function recordsTaken(
  client: Queryable,
  custodian: string,
  at: number,
): Promise<number> {
  return Number((await selectTaken.first(client, [custodian, at]))?.taken ?? 0);
}

const selectNaming = statement<{ named: boolean }>(
  'operate.handout.naming',
  `WITH own AS (
     SELECT $1::uuid AS id UNION ALL SELECT account_id FROM public.account WHERE custodian_id = $1::uuid)
   SELECT ($3::text[] IS NULL AND EXISTS (
     SELECT FROM public.person_session
      WHERE person_id = $1::uuid AND expires_at >= to_timestamp($2::float8 / 1000)))
   OR EXISTS (
     SELECT FROM public.audit_log
      WHERE objects && (SELECT array_agg(kind || ':' || own.id) FROM own, unnest(ARRAY['cus', 'per', 'acc']) AS kind)
        AND at >= to_timestamp($2::float8 / 1000) AND CASE WHEN $3::text[] IS NULL THEN op NOT LIKE 'key.%' ELSE op = ANY ($3::text[]) END)
   OR EXISTS (
     SELECT FROM public.audit_inbox i, unnest(i.bodies) AS body,
            LATERAL (SELECT convert_from(body, 'UTF8')::jsonb ->> 'op' AS op) AS leaf
      WHERE i.objects && (SELECT array_agg(own.id) FROM own)
        AND CASE WHEN $3::text[] IS NULL THEN op NOT LIKE 'key.%' ELSE op = ANY ($3::text[]) END) AS named`,
);

/**
 * Whether the ledger has an event since `at` that names a custodian, a person of this id, or its accounts: one of
 * `ops`, or any but those of keys, which the key service and this comparison write themselves. A person with a
 * session counts as well: what they do has their pseudonym, which nobody can look up without their key.
 */
export async function isNamedSince(
  client: Queryable,
  owner: string,
  at: number,
  ops?: readonly string[],
): Promise<boolean> {
  const list = ops === undefined ? null : textArray(ops);
  return (await selectNaming.first(client, [owner, at, list]))?.named === true;
}
