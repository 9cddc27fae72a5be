// What can be said of the key generations without any key: their dates, and what would be lost with each.
// Counts are taken when asked; a row is "under" the newest generation whose KEK opens it.
import { PostsealError } from '../../kernel/errors.ts';
import type { EventId, OrganisationId } from '../../kernel/ids.ts';
import { type Queryable, statement } from '../../platform/postgres/statement.ts';

export interface Generation {
  readonly generation: number;
  /** Name of the KEK in the token. */
  readonly label: string;
  readonly state: 'live' | 'retired' | 'destroyed';
  readonly tokenClass: string;
  readonly createdAt: string;
  /** Since when nothing new is wrapped under it. */
  readonly retiredAt: string | null;
  /** Since when its destruction is decided and under way. */
  readonly destroyingAt: string | null;
  readonly destroyedAt: string | null;
  /** Custodian keys that only this KEK opens and that are still needed. */
  readonly custodianKeys: number;
  /** Keys of the organisation that only this KEK opens. */
  readonly organisationKeys: number;
  /** Group keys whose custodian key only this KEK opens; replaced ones whose wraps are still being moved included. */
  readonly groupKeys: number;
}

interface Row {
  readonly generation: number;
  readonly kek_label: string;
  readonly state: Generation['state'];
  readonly token_class: string;
  readonly created_at: Date;
  readonly retired_at: Date | null;
  readonly destroying_at: Date | null;
  readonly destroyed_at: Date | null;
  readonly custodian_keys: string;
  readonly organisation_keys: string;
  readonly group_keys: string;
}

/** A key hangs under the newest generation that has a wrap of it. */
const selectGenerations = statement<Row>(
  'vault.generation.list',
  `WITH custodian AS (
     SELECT custodian_id, version, max(generation) AS generation, bool_or(state = 'live') AS live
       FROM public.custodian_key WHERE organisation_id = $1 AND wrap IS NOT NULL
      GROUP BY custodian_id, version
   ), grouped AS (
     SELECT c.generation, count(*) AS keys
       FROM public.group_key g JOIN custodian c ON c.custodian_id = g.custodian_id AND c.version = g.parent_version
      WHERE g.wrap IS NOT NULL GROUP BY c.generation
   ), organisation AS (
     SELECT generation, count(*) AS keys FROM (
       SELECT max(generation) AS generation FROM public.organisation_key
        WHERE organisation_id = $1 AND wrap IS NOT NULL GROUP BY slot, version) o GROUP BY generation
   )
   SELECT k.generation, k.kek_label, k.state, k.token_class, k.created_at, k.retired_at, k.destroying_at,
          k.destroyed_at,
          (SELECT count(*) FROM custodian c WHERE c.generation = k.generation AND c.live) AS custodian_keys,
          coalesce((SELECT o.keys FROM organisation o WHERE o.generation = k.generation), 0) AS organisation_keys,
          coalesce((SELECT g.keys FROM grouped g WHERE g.generation = k.generation), 0) AS group_keys
     FROM public.kek_generation k WHERE k.organisation_id = $1 ORDER BY k.generation`,
);

const beginEnd = statement<{ begun: boolean }>(
  'vault.generation.begin-end',
  `UPDATE public.kek_generation SET destroying_at = now(), event_id = $4
    WHERE organisation_id = $1 AND generation = $2 AND state = 'retired' AND destroying_at IS NULL
      AND retired_at <= now() - make_interval(days => $3)`,
);

/** Nothing hangs under the generation. @throws PostsealError `key.still-needed`. */
export async function requireUnused(
  client: Queryable,
  organisation: OrganisationId,
  generation: number,
): Promise<void> {
  const all = await listGenerations(client, organisation);
  const found = all.find((one) => one.generation === generation);
  const { custodianKeys = 0, organisationKeys = 0, groupKeys = 0, state = 'unknown' } = found ?? {};
  const used = custodianKeys + organisationKeys + groupKeys;
  if (state === 'retired' && used === 0) return;
  throw new PostsealError('key.still-needed', {
    ...{ generation, state, custodianKeys, organisationKeys, groupKeys },
  });
}

/** Writes the decision down. @throws PostsealError `key.grace` while its time is not over. */
export async function beginDestruction(
  client: Queryable,
  at: {
    readonly organisation: OrganisationId;
    readonly generation: number;
    readonly graceDays: number;
  },
  event: EventId,
): Promise<void> {
  const { organisation, generation, graceDays } = at;
  if ((await beginEnd.run(client, [organisation, generation, graceDays, event])) === 1) return;
  throw new PostsealError('key.grace', { generation, graceDays });
}

const selectLive = statement<{ generation: number }>(
  'vault.generation.live',
  `SELECT generation FROM public.kek_generation WHERE organisation_id = $1 AND state = 'live'`,
);

const selectAge = statement<{ days: number }>(
  'vault.generation.age',
  `SELECT (extract(epoch FROM now() - created_at) / 86400)::float8 AS days
     FROM public.kek_generation WHERE organisation_id = $1 AND state = 'live'`,
);

/** Days since the live generation was made, by the database's clock; 0 where there is none. */
export async function liveGenerationDays(
  client: Queryable,
  organisation: OrganisationId,
): Promise<number> {
  return (await selectAge.first(client, [organisation]))?.days ?? 0;
}

/** Number of the live generation. @throws PostsealError `key.destroyed` where there is none. */
export async function liveGeneration(
  client: Queryable,
  organisation: OrganisationId,
): Promise<number> {
  const row = await selectLive.first(client, [organisation]);
  if (row === undefined) throw new PostsealError('key.destroyed', { reason: 'no-generation' });
  return row.generation;
}

const countToMove = statement<{ custodians: string }>(
  'vault.move.count',
  `SELECT count(*) AS custodians FROM public.custodian_key k
    WHERE k.organisation_id = $1 AND k.state = 'live'
      AND k.generation < (SELECT generation FROM public.kek_generation
                           WHERE organisation_id = $1 AND state = 'live')`,
);

/** Custodians whose keys hang under an older generation than the live one. */
export async function custodiansToMove(
  client: Queryable,
  organisation: OrganisationId,
): Promise<number> {
  return Number((await countToMove.first(client, [organisation]))?.custodians ?? 0);
}

/** Every generation, the first one first. */
export async function listGenerations(
  client: Queryable,
  organisation: OrganisationId,
): Promise<Generation[]> {
  const rows = await selectGenerations.rows(client, [organisation]);
  return rows.map((row) => ({
    generation: row.generation,
    label: row.kek_label,
    state: row.state,
    tokenClass: row.token_class,
    createdAt: row.created_at.toISOString(),
    retiredAt: row.retired_at?.toISOString() ?? null,
    destroyingAt: row.destroying_at?.toISOString() ?? null,
    destroyedAt: row.destroyed_at?.toISOString() ?? null,
    custodianKeys: Number(row.custodian_keys),
    organisationKeys: Number(row.organisation_keys),
    groupKeys: Number(row.group_keys),
  }));
}
