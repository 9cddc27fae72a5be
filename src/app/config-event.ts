// A configuration that differs from the one before is recorded before anything is served with it. Only
// digests enter the ledger, over the configuration with its secrets left out.
import type { Committer } from '../archive/committer/types.ts';
import type { OrganisationId } from '../kernel/ids.ts';
import { systemActor } from '../ledger/event/draft.ts';
import { lastEventFields } from '../ledger/query/last-event.store.ts';
import type { Config } from '../platform/config/config.ts';
import { configDigest } from '../platform/config/describe-config.ts';
import type { Database } from '../platform/postgres/database.ts';

/** True if it was recorded; at a first start there is nothing before. */
export async function recordConfig(
  deps: { readonly database: Database; readonly committer: Committer },
  config: Config,
  organisation: OrganisationId,
): Promise<boolean> {
  const after = configDigest(config);
  const before = (await lastEventFields(deps.database.pool, 'config.changed'))?.['after'];
  if (before === after) return false;
  await deps.committer.record({
    op: 'config.changed',
    outcome: 'success',
    actor: systemActor,
    objects: [{ t: 'org', id: organisation }],
    fields: before === undefined ? { after } : { before, after },
  });
  return true;
}
