// Rows at the end of a key generation: wraps under it are set to null in bounded batches, and its own row says
// since when its KEK is gone.
import { PostsealError } from '../../kernel/errors.ts';
import { int4Array, uuidArray } from '../../platform/postgres/binary-arrays.ts';
import { type Queryable, statement } from '../../platform/postgres/statement.ts';

interface Place {
  readonly owner: string;
  readonly keyId: string;
  readonly version: number;
}

interface Raw {
  readonly owner: string;
  readonly key_id: string;
  readonly version: number;
}

const selectDestroying = statement<{
  kek_label: string;
  state: 'live' | 'retired' | 'destroyed';
  decided: boolean;
}>(
  'vault.end.generation',
  `SELECT kek_label, state, destroying_at IS NOT NULL AS decided FROM public.kek_generation
    WHERE organisation_id = $1 AND generation = $2`,
);
const selectWraps = statement<Raw>(
  'vault.end.custodian-wraps',
  `SELECT custodian_id::text AS owner, key_id::text, version FROM public.custodian_key
    WHERE organisation_id = $1 AND generation = $2 AND wrap IS NOT NULL
    ORDER BY custodian_id, version LIMIT $3`,
);
const endWraps = statement(
  'vault.end.end-custodian-wraps',
  `UPDATE public.custodian_key k SET state = 'destroyed', wrap = NULL, recovery_wrap = NULL, event_id = $2
     FROM unnest($3::uuid[], $4::int4[]) AS u (custodian_id, version)
    WHERE k.custodian_id = u.custodian_id AND k.version = u.version AND k.generation = $1`,
);
// Of these alone: counting all that hangs anywhere, for every hundred of them, would never come to an end.
const selectNeeded = statement(
  'vault.end.needed',
  `SELECT FROM unnest($2::uuid[], $3::int4[]) AS u (custodian_id, version)
    WHERE (EXISTS (SELECT FROM public.custodian_key k WHERE k.custodian_id = u.custodian_id
                      AND k.version = u.version AND k.generation = $1 AND k.state = 'live')
           OR EXISTS (SELECT FROM public.group_key g WHERE g.custodian_id = u.custodian_id
                         AND g.parent_version = u.version AND g.wrap IS NOT NULL))
      AND NOT EXISTS (SELECT FROM public.custodian_key n WHERE n.custodian_id = u.custodian_id
                         AND n.version = u.version AND n.generation > $1 AND n.wrap IS NOT NULL)
    LIMIT 1`,
);
const selectOrganisation = statement<Raw>(
  'vault.end.organisation-wraps',
  `SELECT organisation_id::text AS owner, key_id::text, version FROM public.organisation_key
    WHERE organisation_id = $1 AND generation = $2 AND wrap IS NOT NULL LIMIT $3`,
);
const endOrganisation = statement(
  'vault.end.end-organisation-wraps',
  `UPDATE public.organisation_key k SET state = 'destroyed', wrap = NULL, recovery_wrap = NULL, event_id = $2
    WHERE k.key_id = ANY ($3::uuid[]) AND k.generation = $1`,
);
const destroyed = statement(
  'vault.end.destroyed',
  `UPDATE public.kek_generation SET state = 'destroyed', destroyed_at = now(), event_id = $3
    WHERE organisation_id = $1 AND generation = $2 AND state = 'retired' AND destroying_at IS NOT NULL`,
);

const placeOf = ({ owner, key_id: keyId, version }: Raw): Place => ({ owner, keyId, version });

export async function readDestroying(client: Queryable, organisation: string, generation: number) {
  const row = await selectDestroying.first(client, [organisation, generation]);
  if (row === undefined) return undefined;
  return { kekLabel: row.kek_label, state: row.state, decided: row.decided };
}

interface Asked {
  readonly organisation: string;
  readonly generation: number;
  readonly limit: number;
}

export async function selectCustodianWraps(client: Queryable, asked: Asked): Promise<Place[]> {
  const values = [asked.organisation, asked.generation, asked.limit];
  return (await selectWraps.rows(client, values)).map(placeOf);
}

export async function selectOrganisationWraps(client: Queryable, asked: Asked): Promise<Place[]> {
  const values = [asked.organisation, asked.generation, asked.limit];
  return (await selectOrganisation.rows(client, values)).map(placeOf);
}

/** Nothing needs these wraps. @throws PostsealError `key.still-needed`. */
export async function requireUnneeded(
  client: Queryable,
  generation: number,
  places: readonly Place[],
): Promise<void> {
  const needed = await selectNeeded.run(client, [
    generation,
    uuidArray(places.map(({ owner }) => owner)),
    int4Array(places.map(({ version }) => version)),
  ]);
  if (needed > 0) throw new PostsealError('key.still-needed', { generation });
}

export async function endCustodianWraps(
  client: Queryable,
  generation: number,
  places: readonly Place[],
  event: string,
): Promise<void> {
  await endWraps.run(client, [
    generation,
    event,
    uuidArray(places.map(({ owner }) => owner)),
    int4Array(places.map(({ version }) => version)),
  ]);
}

export async function endOrganisationWraps(
  client: Queryable,
  generation: number,
  places: readonly Place[],
  event: string,
): Promise<void> {
  await endOrganisation.run(client, [generation, event, uuidArray(places.map((p) => p.keyId))]);
}

/** @throws PostsealError `store.conflict` if it is not being destroyed. */
export async function endGeneration(
  client: Queryable,
  organisation: string,
  generation: number,
  event: string,
): Promise<void> {
  if ((await destroyed.run(client, [organisation, generation, event])) === 1) return;
  throw new PostsealError('store.conflict', { generation });
}
