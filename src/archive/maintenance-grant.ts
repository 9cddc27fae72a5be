// The archive opens keys for its own work too (folding cells, sealing the rest of a page again). That is
// in the ledger like a reader's opening, before it happens.
import { randomUUID } from 'node:crypto';
import type { CustodianId, SessionId } from '../kernel/ids.ts';
import { systemActor } from '../ledger/event/draft.ts';
import type { OpenGrant } from '../vault/keys/types.ts';
import type { Committer } from './committer/types.ts';

/** Records that `keys` keys of a custodian are about to be opened for `work`, and grants it. */
export async function maintenanceGrant(
  committer: Committer,
  custodian: CustodianId,
  work: 'fold' | 'reseal',
  keys: number,
): Promise<OpenGrant> {
  const session = randomUUID() as SessionId;
  const event = await committer.record({
    op: 'key.opened',
    outcome: 'success',
    actor: { ...systemActor, session },
    objects: [{ t: 'cus', id: custodian, n: keys }],
    fields: { kind: 'maintenance', work },
  });
  return { session, purpose: 'maintenance', events: [event] };
}
