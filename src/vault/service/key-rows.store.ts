// Rows of migration 0002: wraps by owner. Every change carries the event of its transaction; the guard
// of the ledger refuses it otherwise.
import { PostsealError } from '../../kernel/errors.ts';
import type { Queryable } from '../../platform/postgres/statement.ts';
import { statement } from '../../platform/postgres/statement.ts';
import {
  byteaArray,
  int4Array,
  int8Array,
  textArray,
  uuidArray,
} from '../../platform/postgres/binary-arrays.ts';

export type KeyState = 'live' | 'retired' | 'destroyed';

export interface GenerationRow {
  readonly generation: number;
  readonly kekLabel: string;
  readonly state: KeyState;
}

export interface WrappedKeyRow {
  readonly owner: string;
  readonly keyId: string;
  readonly version: number;
  readonly state: KeyState;
  /** Undefined once destroyed. */
  readonly wrap: Buffer | undefined;
}

/** Wrapped by a KEK. */
export interface KekWrappedRow extends WrappedKeyRow {
  readonly generation: number;
}

/** One wrap of one version of a custodian key. */
export interface CustodianKeyRow extends KekWrappedRow {
  /** It is the live one, or something still hangs under its version. */
  readonly needed: boolean;
}

/** Wrapped by a custodian key of `parentVersion`. */
export interface ChildRow extends WrappedKeyRow {
  readonly parentVersion: number;
}

export interface GroupRow extends ChildRow {
  readonly group: number;
}

export interface SlotRow extends ChildRow {
  readonly slot: 'names' | 'side-record';
}

export interface RawRow {
  owner: string;
  key_id: string;
  version: number;
  state: KeyState;
  wrap: Buffer | null;
  generation: number;
  parent_version: number;
  group_no: string;
  slot: 'names' | 'side-record';
}

const selectGenerations = statement<{ generation: number; kek_label: string; state: KeyState }>(
  'vault.generation.select',
  `SELECT generation, kek_label, state FROM public.kek_generation
    WHERE organisation_id = $1 ORDER BY generation`,
);
const insertGeneration = statement(
  'vault.generation.insert',
  `INSERT INTO public.kek_generation
     (organisation_id, generation, kek_label, store_kind, token_class, state, event_id)
   VALUES ($1, $2, $3, $4, $5, 'live', $6)`,
);
const selectOrganisationKeys = statement<RawRow>(
  'vault.organisation-key.select',
  `SELECT organisation_id AS owner, key_id, version, state, wrap, generation
     FROM public.organisation_key WHERE organisation_id = $1 AND slot = $2
    ORDER BY version, generation`,
);
const insertOrganisationKey = statement(
  'vault.organisation-key.insert',
  `INSERT INTO public.organisation_key
     (organisation_id, slot, version, generation, key_id, state, wrap, event_id)
   VALUES ($1, $2, $3, $4, $5, 'live', $6, $7)`,
);
// A retired version is needed while a group key hangs under it: opening it for nothing would cost a call of the
// token for each custodian, until its generation is destroyed.
const selectCustodianKeys = statement<RawRow & { needed: boolean }>(
  'vault.custodian-key.select',
  `SELECT k.custodian_id AS owner, k.key_id, k.version, k.state, k.wrap, k.generation,
          (k.state = 'live' OR EXISTS (SELECT FROM public.group_key g
            WHERE g.custodian_id = k.custodian_id AND g.parent_version = k.version AND g.wrap IS NOT NULL)) AS needed
     FROM public.custodian_key k WHERE k.custodian_id = ANY ($1::uuid[])
    ORDER BY k.custodian_id, k.version, k.generation`,
);
const insertCustodianKey = statement(
  'vault.custodian-key.insert',
  `INSERT INTO public.custodian_key
     (custodian_id, version, generation, organisation_id, key_id, state, wrap, event_id)
   SELECT $1, $2, $3, $4, $5, 'live', $6, $7 FROM public.kek_generation
    WHERE organisation_id = $4 AND generation = $3 AND state = 'live' FOR SHARE`,
);
const selectSlotKeys = statement<RawRow>(
  'vault.slot-key.select',
  `SELECT custodian_id AS owner, slot, key_id, version, state, wrap, parent_version
     FROM public.custodian_slot_key WHERE custodian_id = ANY ($1::uuid[])
    ORDER BY custodian_id, slot, version`,
);
const insertSlotKeys = statement(
  'vault.slot-key.insert',
  `INSERT INTO public.custodian_slot_key
     (custodian_id, slot, version, key_id, parent_version, state, wrap, event_id)
   SELECT $1, u.slot, u.version, u.key_id, u.parent_version, 'live', u.wrap, $2
     FROM unnest($3::text[], $4::int4[], $5::uuid[], $6::int4[], $7::bytea[])
       AS u (slot, version, key_id, parent_version, wrap)`,
);
const selectGroupKeys = statement<RawRow>(
  'vault.group-key.select',
  `SELECT g.custodian_id AS owner, g.group_no, g.key_id, g.version, g.state, g.wrap, g.parent_version
     FROM unnest($1::uuid[], $2::int8[]) AS w (custodian_id, group_no)
     JOIN public.group_key g USING (custodian_id, group_no)
    ORDER BY g.custodian_id, g.group_no, g.version`,
);
const insertGroupKeys = statement(
  'vault.group-key.insert',
  `INSERT INTO public.group_key
     (custodian_id, group_no, version, key_id, parent_version, state, wrap, event_id)
   SELECT u.custodian_id, u.group_no, u.version, u.key_id, u.parent_version, 'live', u.wrap, u.event_id
     FROM unnest($1::uuid[], $2::int8[], $3::int4[], $4::uuid[], $5::int4[], $6::bytea[], $7::uuid[])
       AS u (custodian_id, group_no, version, key_id, parent_version, wrap, event_id)
     JOIN public.custodian_key k ON k.custodian_id = u.custodian_id AND k.version = u.parent_version
      AND k.state = 'live'
      FOR SHARE OF k`,
);

export async function readGenerations(
  client: Queryable,
  organisationId: string,
): Promise<GenerationRow[]> {
  const rows = await selectGenerations.rows(client, [organisationId]);
  return rows.map(({ generation, kek_label, state }) => ({
    generation,
    kekLabel: kek_label,
    state,
  }));
}

export interface NewGeneration {
  readonly organisationId: string;
  readonly generation: number;
  readonly kekLabel: string;
  readonly storeKind: string;
  readonly tokenClass: string;
}

export async function addGeneration(
  client: Queryable,
  row: NewGeneration,
  event: string,
): Promise<void> {
  const { organisationId, generation, kekLabel, storeKind, tokenClass } = row;
  await insertGeneration.run(client, [
    organisationId,
    generation,
    kekLabel,
    storeKind,
    tokenClass,
    event,
  ]);
}

export async function readOrganisationKeys(
  client: Queryable,
  organisationId: string,
  slot: 'dedup',
): Promise<KekWrappedRow[]> {
  const rows = await selectOrganisationKeys.rows(client, [organisationId, slot]);
  return rows.map((row) => ({ ...wrapped(row), generation: row.generation }));
}

export async function addOrganisationKey(
  client: Queryable,
  slot: 'dedup',
  row: KekWrappedRow,
  event: string,
): Promise<void> {
  await insertOrganisationKey.run(client, [
    row.owner,
    slot,
    row.version,
    row.generation,
    row.keyId,
    row.wrap ?? null,
    event,
  ]);
}

export async function readCustodianKeys(
  client: Queryable,
  custodians: readonly string[],
): Promise<{ keys: CustodianKeyRow[]; slots: SlotRow[] }> {
  const ids = uuidArray(custodians);
  const [keys, slots] = await Promise.all([
    selectCustodianKeys.rows(client, [ids]),
    selectSlotKeys.rows(client, [ids]),
  ]);
  return {
    keys: keys.map((row) => ({
      ...wrapped(row),
      generation: row.generation,
      needed: row.needed,
    })),
    slots: slots.map((row) => ({ ...child(row), slot: row.slot })),
  };
}

/** @throws PostsealError `store.conflict` if the row is there or its generation does not live any more. */
export async function addCustodianKey(
  client: Queryable,
  organisationId: string,
  row: KekWrappedRow,
  event: string,
): Promise<void> {
  const added = await insertCustodianKey.run(client, [
    row.owner,
    row.version,
    row.generation,
    organisationId,
    row.keyId,
    row.wrap ?? null,
    event,
  ]);
  if (added !== 1) throw new PostsealError('store.conflict', { what: 'generation' });
}

export async function addSlotKeys(
  client: Queryable,
  custodian: string,
  rows: readonly SlotRow[],
  event: string,
): Promise<void> {
  await insertSlotKeys.run(client, [
    custodian,
    event,
    textArray(rows.map((row) => row.slot)),
    int4Array(rows.map((row) => row.version)),
    uuidArray(rows.map((row) => row.keyId)),
    int4Array(rows.map((row) => row.parentVersion)),
    byteaArray(rows.map((row) => row.wrap ?? null)),
  ]);
}

export async function readGroupKeys(
  client: Queryable,
  groups: readonly { readonly owner: string; readonly group: number }[],
): Promise<GroupRow[]> {
  const rows = await selectGroupKeys.rows(client, [
    uuidArray(groups.map((group) => group.owner)),
    int8Array(groups.map((group) => group.group)),
  ]);
  return rows.map((row) => ({ ...child(row), group: Number(row.group_no) }));
}

/** @throws PostsealError `store.conflict` if a parent is not its custodian's live key any more, or a row is there. */
export async function addGroupKeys(
  client: Queryable,
  rows: readonly (GroupRow & { readonly event: string })[],
): Promise<void> {
  const added = await insertGroupKeys.run(client, [
    uuidArray(rows.map((row) => row.owner)),
    int8Array(rows.map((row) => row.group)),
    int4Array(rows.map((row) => row.version)),
    uuidArray(rows.map((row) => row.keyId)),
    int4Array(rows.map((row) => row.parentVersion)),
    byteaArray(rows.map((row) => row.wrap ?? null)),
    uuidArray(rows.map((row) => row.event)),
  ]);
  if (added !== rows.length) throw new PostsealError('store.conflict', { what: 'custodian-key' });
}

export function wrapped(row: RawRow): WrappedKeyRow {
  const { owner, version, state } = row;
  return { owner, keyId: row.key_id, version, state, wrap: row.wrap ?? undefined };
}

export function child(row: RawRow): ChildRow {
  return { ...wrapped(row), parentVersion: row.parent_version };
}
