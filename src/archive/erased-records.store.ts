// The dates of erasures (architecture §3 "Finality in backups"): when it was executed, when the keys that were
// replaced because of it were destroyed in the live system, and since when no copy of its wraps opens anything,
// however old, because every KEK that could ever open them is destroyed.
import type { OrganisationId } from '../kernel/ids.ts';
import { type Queryable, statement } from '../platform/postgres/statement.ts';

export interface ErasureDates {
  readonly record: string;
  readonly custodian: string;
  readonly executedAt: string;
  /** Null until the next switch of key generations has done it. */
  readonly keysReplacedAt: string | null;
  /** The newest generation under which the wraps could ever be opened; null until the keys are replaced. */
  readonly lastGeneration: number | null;
  /** Null until that generation and all before it are destroyed. */
  readonly finalAt: string | null;
  /**
   * The oldest data backup that is kept, if it was begun before the erasure: until it and all from before the
   * erasure are gone, the sealed bytes are in them. Null: in no backup that this home knows of.
   */
  readonly ciphertextInBackupsSince: string | null;
}

interface Row {
  readonly record_id: string;
  readonly custodian_id: string;
  readonly executed_at: Date;
  readonly replaced_at: Date | null;
  readonly last_generation: number | null;
  readonly final_at: Date | null;
}

// A record may have hung under two groups (its own, and the one of its body's wrap); all of it counts.
const select = statement<Row>(
  'archive.erased.list',
  `WITH erased AS (
     SELECT custodian_id, record_id, max(executed_at) AS executed_at FROM erased_record
      WHERE $2::uuid IS NULL OR record_id = $2 GROUP BY custodian_id, record_id
      ORDER BY max(executed_at) DESC, record_id LIMIT $3
   ), dated AS (
     SELECT e.custodian_id, e.record_id, e.executed_at,
            bool_and(g.destroyed_at IS NOT NULL) AS replaced, max(g.destroyed_at) AS replaced_at,
            max(g.last_generation) AS last_generation
       FROM erased e JOIN erased_record r USING (custodian_id, record_id)
       JOIN group_key g ON g.custodian_id = r.custodian_id AND g.group_no = r.group_no AND g.version = r.version
      GROUP BY e.custodian_id, e.record_id, e.executed_at
   )
   SELECT d.record_id::text, d.custodian_id::text, d.executed_at,
          CASE WHEN d.replaced THEN d.replaced_at END AS replaced_at,
          CASE WHEN d.replaced THEN d.last_generation END AS last_generation,
          CASE WHEN d.replaced AND k.gone THEN greatest(d.replaced_at, k.gone_at) END AS final_at
     FROM dated d LEFT JOIN LATERAL (
       SELECT bool_and(state = 'destroyed') AS gone, max(destroyed_at) AS gone_at FROM kek_generation
        WHERE organisation_id = $1 AND generation <= d.last_generation) k ON true
    ORDER BY d.executed_at DESC, d.record_id`,
);

/** The newest first; of one record if it is named. */
export async function listErasures(
  client: Queryable,
  asked: {
    readonly organisation: OrganisationId;
    readonly record?: string | undefined;
    readonly limit: number;
    readonly oldestBackup?: Date | undefined;
  },
): Promise<ErasureDates[]> {
  const { organisation, record, limit, oldestBackup } = asked;
  const rows = await select.rows(client, [organisation, record ?? null, limit]);
  return rows.map((row) => ({
    record: row.record_id,
    custodian: row.custodian_id,
    executedAt: row.executed_at.toISOString(),
    keysReplacedAt: row.replaced_at?.toISOString() ?? null,
    lastGeneration: row.last_generation,
    finalAt: row.final_at?.toISOString() ?? null,
    ciphertextInBackupsSince:
      oldestBackup !== undefined && oldestBackup <= row.executed_at
        ? oldestBackup.toISOString()
        : null,
  }));
}
