// Rows that a switch of generations reads and writes (migrations 0002 and 0010). Every statement takes a batch
// of custodians; a row whose state is not the one that was read makes the whole batch a conflict.
import { PostsealError } from '../../kernel/errors.ts';
import {
  byteaArray,
  int4Array,
  int8Array,
  textArray,
  uuidArray,
} from '../../platform/postgres/binary-arrays.ts';
import { type Queryable, statement } from '../../platform/postgres/statement.ts';
import {
  addGroupKeys,
  child,
  type ChildRow,
  type GroupRow,
  type KekWrappedRow,
  type RawRow,
  type SlotRow,
} from './key-rows.store.ts';

/** A row with the event that names it. */
type Named<R> = R & { readonly event: string };

const retireLiveGeneration = statement(
  'vault.generation.retire',
  `UPDATE public.kek_generation SET state = 'retired', retired_at = now(), event_id = $3
    WHERE organisation_id = $1 AND generation = $2 AND state = 'live'`,
);
const retireOrganisationKeys = statement(
  'vault.organisation-key.retire',
  `UPDATE public.organisation_key SET state = 'retired', event_id = $4
    WHERE organisation_id = $1 AND generation <= $2 AND key_id = $3 AND state = 'live'`,
);
const selectNext = statement<{ custodian_id: string }>(
  'vault.move.next',
  `SELECT k.custodian_id::text FROM public.custodian_key k
    WHERE k.organisation_id = $1 AND k.state = 'live' AND k.generation < $2 AND k.custodian_id > $3
      AND (NOT $4 OR EXISTS (SELECT FROM public.group_key g
            WHERE g.custodian_id = k.custodian_id AND g.marked AND g.state = 'live'))
    ORDER BY k.custodian_id LIMIT $5`,
);
const selectBehind = statement<{ custodian_id: string }>(
  'vault.prove.next',
  `SELECT DISTINCT custodian_id::text AS custodian_id, custodian_id AS id FROM public.custodian_key
    WHERE organisation_id = $1 AND state = 'live' AND custodian_id > $2 ORDER BY id LIMIT $3`,
);
const selectGroups = statement<RawRow & { marked: boolean }>(
  'vault.move.groups',
  `SELECT g.custodian_id AS owner, g.group_no, g.key_id, g.version, g.state, g.wrap, g.parent_version, g.marked
     FROM public.group_key g WHERE g.custodian_id = ANY ($1::uuid[]) AND g.state = 'live'
    ORDER BY g.custodian_id, g.group_no`,
);
const lockLive = statement<{ found: string }>(
  'vault.move.lock',
  `SELECT count(*) AS found FROM (
     SELECT FROM public.custodian_key k
       JOIN unnest($1::uuid[], $2::int4[], $3::int4[]) AS u (custodian_id, version, generation)
         USING (custodian_id, version, generation)
      WHERE k.state = 'live' ORDER BY k.custodian_id FOR UPDATE OF k) AS held`,
);
const retireCustodianKeys = statement(
  'vault.custodian-key.retire',
  `UPDATE public.custodian_key k SET state = 'retired', event_id = u.event_id
     FROM unnest($1::uuid[], $2::int4[], $3::int4[], $4::uuid[]) AS u (custodian_id, version, generation, event_id)
    WHERE k.custodian_id = u.custodian_id AND k.version = u.version AND k.generation = u.generation`,
);
const insertCustodianKeys = statement(
  'vault.custodian-key.insert-many',
  `INSERT INTO public.custodian_key
     (organisation_id, custodian_id, version, generation, key_id, state, wrap, event_id)
   SELECT $1, u.custodian_id, u.version, u.generation, u.key_id, 'live', u.wrap, u.event_id
     FROM unnest($2::uuid[], $3::int4[], $4::int4[], $5::uuid[], $6::bytea[], $7::uuid[])
       AS u (custodian_id, version, generation, key_id, wrap, event_id)`,
);
const rehangGroups = statement(
  'vault.group-key.rehang',
  `UPDATE public.group_key g SET wrap = u.wrap, parent_version = u.parent_version, event_id = u.event_id
     FROM unnest($1::uuid[], $2::int8[], $3::int4[], $4::int4[], $5::bytea[], $6::uuid[])
       AS u (custodian_id, group_no, version, parent_version, wrap, event_id)
    WHERE g.custodian_id = u.custodian_id AND g.group_no = u.group_no AND g.version = u.version
      AND g.state = 'live'`,
);
const retireGroups = statement(
  'vault.group-key.retire',
  `UPDATE public.group_key g
      SET state = 'retired', marked = false, retired_at = now(), last_generation = u.last, event_id = u.event_id
     FROM unnest($1::uuid[], $2::int8[], $3::int4[], $4::int4[], $5::uuid[])
       AS u (custodian_id, group_no, version, last, event_id)
    WHERE g.custodian_id = u.custodian_id AND g.group_no = u.group_no AND g.version = u.version
      AND g.state = 'live'`,
);
const rehangSlots = statement(
  'vault.slot-key.rehang',
  `UPDATE public.custodian_slot_key s SET wrap = u.wrap, parent_version = u.parent_version, event_id = u.event_id
     FROM unnest($1::uuid[], $2::text[], $3::int4[], $4::int4[], $5::bytea[], $6::uuid[])
       AS u (custodian_id, slot, version, parent_version, wrap, event_id)
    WHERE s.custodian_id = u.custodian_id AND s.slot = u.slot AND s.version = u.version AND s.state = 'live'`,
);

const selectLeftBehind = statement(
  'vault.move.left-behind',
  `SELECT FROM public.group_key g
     JOIN unnest($1::uuid[], $2::int4[]) AS u (custodian_id, version)
       ON g.custodian_id = u.custodian_id AND g.parent_version <> u.version
    WHERE g.state = 'live' LIMIT 1`,
);

/** Ends the life of generation `from`. @throws PostsealError `store.conflict` if it does not live any more. */
export async function retireGeneration(
  client: Queryable,
  at: { readonly organisation: string; readonly from: number; readonly dedupKeyId: string },
  event: string,
): Promise<void> {
  const { organisation, from, dedupKeyId } = at;
  const retired = await retireLiveGeneration.run(client, [organisation, from, event]);
  if (retired !== 1) throw new PostsealError('store.conflict', { generation: from });
  await retireOrganisationKeys.run(client, [organisation, from, dedupKeyId, event]);
}

/** Custodians whose live key hangs under an older generation, in the order of their ids. */
export async function nextToMove(
  client: Queryable,
  asked: {
    readonly organisation: string;
    readonly generation: number;
    readonly after: string;
    readonly marked: boolean;
    readonly limit: number;
  },
): Promise<string[]> {
  const { organisation, generation, after, marked, limit } = asked;
  const values = [organisation, generation, after, marked, limit];
  return (await selectNext.rows(client, values)).map(({ custodian_id: id }) => id);
}

/** The next custodians who have a live key. */
export async function custodiansBehind(
  client: Queryable,
  asked: { readonly organisation: string; readonly after: string; readonly limit: number },
): Promise<string[]> {
  const values = [asked.organisation, asked.after, asked.limit];
  return (await selectBehind.rows(client, values)).map(({ custodian_id: id }) => id);
}

export interface LiveGroup extends GroupRow {
  readonly marked: boolean;
}

/** Every live group key of these custodians. */
export async function readLiveGroups(
  client: Queryable,
  custodians: readonly string[],
): Promise<LiveGroup[]> {
  const rows = await selectGroups.rows(client, [uuidArray(custodians)]);
  return rows.map((row) => ({ ...child(row), group: Number(row.group_no), marked: row.marked }));
}

/** What one batch of moved custodians writes. */
export interface MovedRows {
  /** Live rows that end; of each custodian exactly one. */
  readonly ended: readonly Named<KekWrappedRow>[];
  readonly keys: readonly Named<KekWrappedRow>[];
  readonly rehungGroups: readonly Named<GroupRow>[];
  readonly endedGroups: readonly Named<GroupRow & { readonly last: number }>[];
  readonly newGroups: readonly Named<GroupRow>[];
  readonly slots: readonly Named<ChildRow & { readonly slot: SlotRow['slot'] }>[];
}

/** @throws PostsealError `store.conflict` if anything moved since it was read. */
export async function writeMoved(
  client: Queryable,
  organisation: string,
  rows: MovedRows,
): Promise<void> {
  const { ended, keys, rehungGroups, endedGroups, newGroups, slots } = rows;
  const place = [
    uuidArray(ended.map(({ owner }) => owner)),
    int4Array(ended.map(({ version }) => version)),
    int4Array(ended.map(({ generation }) => generation)),
  ];
  const locked = Number((await lockLive.first(client, place))?.found);
  expectRows('custodian-key', locked, ended.length);
  await retireCustodianKeys.run(client, [...place, eventsOf(ended)]);
  await insertCustodianKeys.run(client, [
    organisation,
    uuidArray(keys.map(({ owner }) => owner)),
    int4Array(keys.map(({ version }) => version)),
    int4Array(keys.map(({ generation }) => generation)),
    uuidArray(keys.map(({ keyId }) => keyId)),
    byteaArray(keys.map(({ wrap }) => wrap ?? null)),
    eventsOf(keys),
  ]);
  await writeGroups(client, { rehungGroups, endedGroups, newGroups });
  await requireNoneLeft(client, rows);
  const rehung = await rehangSlots.run(client, [
    uuidArray(slots.map(({ owner }) => owner)),
    textArray(slots.map(({ slot }) => slot)),
    int4Array(slots.map(({ version }) => version)),
    int4Array(slots.map(({ parentVersion }) => parentVersion)),
    byteaArray(slots.map(({ wrap }) => wrap ?? null)),
    eventsOf(slots),
  ]);
  expectRows('slot-key', rehung, slots.length);
}

/**
 * A group key that another key service made between the reading and the lock hangs under the old custodian key,
 * and nothing would ever move it. From the lock on none can be made there.
 */
async function requireNoneLeft(client: Queryable, { ended, keys }: MovedRows): Promise<void> {
  const before = new Map(ended.map(({ owner, version }) => [owner, version]));
  const rotated = keys.filter(({ owner, version }) => before.get(owner) !== version);
  if (rotated.length === 0) return;
  const left = await selectLeftBehind.run(client, [
    uuidArray(rotated.map(({ owner }) => owner)),
    int4Array(rotated.map(({ version }) => version)),
  ]);
  expectRows('group-key', left, 0);
}

async function writeGroups(
  client: Queryable,
  rows: Pick<MovedRows, 'rehungGroups' | 'endedGroups' | 'newGroups'>,
): Promise<void> {
  const { rehungGroups, endedGroups, newGroups } = rows;
  const rehung = await rehangGroups.run(client, [
    ...placesOf(rehungGroups),
    int4Array(rehungGroups.map(({ parentVersion }) => parentVersion)),
    byteaArray(rehungGroups.map(({ wrap }) => wrap ?? null)),
    eventsOf(rehungGroups),
  ]);
  expectRows('group-key', rehung, rehungGroups.length);
  const ended = await retireGroups.run(client, [
    ...placesOf(endedGroups),
    int4Array(endedGroups.map(({ last }) => last)),
    eventsOf(endedGroups),
  ]);
  expectRows('group-key', ended, endedGroups.length);
  if (newGroups.length > 0) await addGroupKeys(client, newGroups);
}

const eventsOf = (rows: readonly { readonly event: string }[]): Buffer =>
  uuidArray(rows.map(({ event }) => event));

const placesOf = (rows: readonly GroupRow[]): Buffer[] => [
  uuidArray(rows.map(({ owner }) => owner)),
  int8Array(rows.map(({ group }) => group)),
  int4Array(rows.map(({ version }) => version)),
];

function expectRows(what: string, found: number, wanted: number): void {
  if (found !== wanted) throw new PostsealError('store.conflict', { what });
}
