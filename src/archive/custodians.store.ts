// Organisation and custodians: who owns records and keys. A custodian is never a login; disabling an
// account touches nothing here (architecture §3).
import { PostsealError } from '../kernel/errors.ts';
import type { CustodianId, OrganisationId } from '../kernel/ids.ts';
import { type Actor, systemActor } from '../ledger/event/draft.ts';
import type { EventSealer } from '../ledger/event/event-sealer.ts';
import { withEvents } from '../ledger/event/inbox.store.ts';
import type { Database } from '../platform/postgres/database.ts';
import { statement } from '../platform/postgres/statement.ts';
import type { CustodianKind } from './types.ts';

const selectOrganisation = statement(
  'archive.organisation.select',
  'SELECT FROM organisation WHERE organisation_id = $1',
);
const insertOrganisation = statement(
  'archive.organisation.insert',
  'INSERT INTO organisation (organisation_id, event_id) VALUES ($1, $2)',
);
const selectOnlyOrganisation = statement<{ id: string }>(
  'archive.organisation.only',
  'SELECT organisation_id::text AS id FROM organisation ORDER BY created_at LIMIT 1',
);
const selectCustodian = statement(
  'archive.custodian.select',
  'SELECT FROM custodian WHERE custodian_id = $1',
);
const insertCustodian = statement(
  'archive.custodian.insert',
  `INSERT INTO custodian (organisation_id, custodian_id, kind, event_id) VALUES ($1, $2, $3, $4)`,
);

export interface HouseholdDeps {
  readonly db: Database;
  readonly sealer: EventSealer;
}

/** The organisation of this home, undefined before the first start has made it. */
export async function findOrganisation(db: Database): Promise<OrganisationId | undefined> {
  const row = await selectOnlyOrganisation.first(db.pool);
  return row?.id as OrganisationId | undefined;
}

/** Makes the organisation's row unless it is there. Idempotent. */
export async function ensureOrganisation(
  deps: HouseholdDeps,
  id: OrganisationId,
  actor: Actor = systemActor,
): Promise<void> {
  const draft = {
    op: 'organisation.created',
    outcome: 'success',
    actor,
    objects: [{ t: 'org', id }],
  } as const;
  await ensureRow(
    async () => (await selectOrganisation.run(deps.db.pool, [id])) > 0,
    () =>
      withEvents(deps.db, deps.sealer, [draft], async (client, [event]) => {
        await insertOrganisation.run(client, [id, event?.id ?? null]);
      }),
  );
}

/** Makes the custodian's row unless it is there; the keys are the key service's. Idempotent. */
export async function ensureCustodianRow(
  deps: HouseholdDeps & { readonly organisation: OrganisationId },
  id: CustodianId,
  kind: CustodianKind,
  actor: Actor = systemActor,
): Promise<void> {
  const draft = {
    op: 'custodian.created',
    outcome: 'success',
    actor,
    objects: [{ t: 'cus', id }],
    fields: { kind },
  } as const;
  await ensureRow(
    async () => (await selectCustodian.run(deps.db.pool, [id])) > 0,
    () =>
      withEvents(deps.db, deps.sealer, [draft], async (client, [event]) => {
        await insertCustodian.run(client, [deps.organisation, id, kind, event?.id ?? null]);
      }),
  );
}

async function ensureRow(
  exists: () => Promise<boolean>,
  insert: () => Promise<void>,
): Promise<void> {
  if (await exists()) return;
  try {
    await insert();
  } catch (error) {
    // Somebody else was faster; their row is as good as ours.
    const conflict = error instanceof PostsealError && error.code === 'store.conflict';
    if (!conflict || !(await exists())) throw error;
  }
}
