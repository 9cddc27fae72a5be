// SQL of `home_restore`: a row for each time that this archive was made of a backup, and when two people signed.
import type pg from 'pg';
import type { OrganisationId } from '../../kernel/ids.ts';
import { type Queryable, statement } from '../../platform/postgres/statement.ts';

export interface HomeRestore {
  readonly id: string;
  readonly restoredAt: string;
  /** Canonical JSON of a `RestoreAccount`. */
  readonly report: string;
  readonly signedAt: string | null;
}

const insert = statement(
  'operate.restore.insert',
  `INSERT INTO public.home_restore (restore_id, organisation_id, report, event_id) VALUES ($1, $2, $3, $4)`,
);
const unsigned = statement(
  'operate.restore.unsigned',
  'SELECT FROM public.home_restore WHERE signed_at IS NULL LIMIT 1',
);
const newest = statement<{ id: string; restored: Date; report: string; signed: Date | null }>(
  'operate.restore.newest',
  `SELECT restore_id::text AS id, restored_at AS restored, report, signed_at AS signed
     FROM public.home_restore ORDER BY restored_at DESC LIMIT 1`,
);
const sign = statement(
  'operate.restore.sign',
  // An older one that was never signed is part of what the newest report speaks of.
  `UPDATE public.home_restore SET signed_at = now(), event_id = $2
    WHERE organisation_id = $1 AND signed_at IS NULL`,
);

export async function insertRestore(
  client: pg.ClientBase,
  row: { readonly id: string; readonly organisation: OrganisationId; readonly report: string },
  event: string,
): Promise<void> {
  await insert.run(client, [row.id, row.organisation, row.report, event]);
}

export async function isRestoreUnsigned(client: Queryable): Promise<boolean> {
  return (await unsigned.first(client)) !== undefined;
}

export async function newestRestore(client: Queryable): Promise<HomeRestore | undefined> {
  const row = await newest.first(client);
  if (row === undefined) return undefined;
  const { id, restored, report, signed } = row;
  return {
    ...{ id, report, restoredAt: restored.toISOString() },
    signedAt: signed?.toISOString() ?? null,
  };
}

/** Answers whether there was anything to sign. */
export async function signRestores(
  client: pg.ClientBase,
  organisation: OrganisationId,
  event: string,
): Promise<boolean> {
  return (await sign.run(client, [organisation, event])) > 0;
}
