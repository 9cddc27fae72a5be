// The route of the comparison by hand. What it finds is told like that of the hourly job.
import { personActor } from '../../access/person-actor.ts';
import type { Role } from '../../access/roles.ts';
import { noInput, type Route, route } from '../../access/routes/route.ts';
import { PostsealError } from '../../kernel/errors.ts';
import type { Pseudonyms } from '../../ledger/event/actor-keys.store.ts';
import type { AlertBus } from '../../platform/alerts/alert-bus.ts';
import { alertOfFindings, type ReconcileDeps, reconcileKeys } from './reconcile-keys.ts';

export interface ReconcileRoutesDeps extends ReconcileDeps {
  readonly pseudonyms: Pick<Pseudonyms, 'of'>;
  readonly alerts: Pick<AlertBus, 'raise'>;
}

const access: readonly Role[] = ['security-admin', 'key-custodian'];

export function reconcileRoutes(deps: ReconcileRoutesDeps): readonly Route[] {
  return [
    route({
      name: 'key.reconcile',
      method: 'POST',
      path: '/keys/reconciliation',
      summary: 'Compare the keys handed out since the last time with the ledger',
      access,
      input: noInput,
      async run({ by }) {
        if (by === undefined) throw new PostsealError('access.signed-out');
        const done = await reconcileKeys(deps, personActor(deps.pseudonyms, by, access));
        alertOfFindings(deps.alerts, done);
        return done;
      },
    }),
  ];
}
