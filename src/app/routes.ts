// Every route of the server: rooms hand their rows up, this is the one list.
import type { AccountCredentials } from '../access/account-credentials.ts';
import type { Approvals } from '../access/approvals.ts';
import type { Persons } from '../access/persons.ts';
import type { Unlock } from '../access/unlock.ts';
import { accountRoutes } from '../access/routes/account-routes.ts';
import { approvalRoutes } from '../access/routes/approval-routes.ts';
import { keyRoutes } from '../access/routes/key-routes.ts';
import { ledgerRoutes } from '../access/routes/ledger-routes.ts';
import { personRoutes } from '../access/routes/person-routes.ts';
import type { Route } from '../access/routes/route.ts';
import { type LiveSessions, sessionRoutes } from '../imap/session-routes.ts';
import { importRoutes } from '../intake/import/import-routes.ts';
import type { AccountId } from '../kernel/ids.ts';
import type { TileFiles } from '../ledger/tiles/tile-files.ts';
import { backupRoutes } from '../operate/backup/backup-routes.ts';
import { type Drill, drillRoutes } from '../operate/backup/drill-routes.ts';
import type { Backups } from '../operate/backup/backups.ts';
import { reconcileRoutes } from '../operate/reconcile/reconcile-routes.ts';
import type { AlertBus } from '../platform/alerts/alert-bus.ts';
import { gateRoute } from './gate-route.ts';
import { restoreRoutes } from '../operate/backup/restore-routes.ts';
import type { KeyStates } from '../operate/backup/key-states.ts';
import type { Log } from '../platform/log/log.ts';
import type { Services } from './services.ts';

export interface RoutesDeps {
  readonly services: Services;
  readonly persons: Persons;
  readonly approvals: Approvals;
  readonly credentials: AccountCredentials;
  readonly files: TileFiles;
  readonly messageBytesMax: number;
  readonly sessions: LiveSessions & {
    /** Ends every IMAP session of an account; how many there were. */
    kickAccount(account: AccountId): Promise<number>;
  };
  readonly unlock: Unlock;
  readonly log: Log;
  readonly alerts: Pick<AlertBus, 'raise'>;
  /** Days in which a retired key generation stays. */
  readonly graceDays: number;
  /** Undefined without a target. */
  readonly backups: Backups | undefined;
  readonly keyStates: KeyStates | undefined;
  readonly drill: Drill | undefined;
}

export function allRoutes(deps: RoutesDeps): readonly Route[] {
  const { services, persons, approvals, credentials, files, messageBytesMax, sessions } = deps;
  const { unlock, log, graceDays, keyStates } = deps;
  const routes = [
    ...personRoutes({ ...services, persons, approvals, unlock }),
    ...accountRoutes({
      ...services,
      credentials,
      approvals,
      unlock,
      endSessions: (account) => sessions.kickAccount(account),
    }),
    ...sessionRoutes({ ...services, sessions }),
    ...approvalRoutes({ ...services, approvals, persons }),
    ...importRoutes({ ...services, messageBytesMax }),
    ...backupRoutes({ ...services, backups: deps.backups }),
    ...drillRoutes({ ...services, drill: deps.drill }),
    ...ledgerRoutes({ ...services, files }),
    ...reconcileRoutes({ ...services, alerts: deps.alerts }),
    ...keyRoutes({
      ...{ ...services, log, approvals, graceDays },
      beforeDestruction: keyStates === undefined ? undefined : () => keyStates.beforeDestruction(),
      oldestBackup: keyStates === undefined ? undefined : () => keyStates.oldestDataBackup(),
    }),
    ...restoreRoutes({ ...services, approvals }),
  ];
  return routes.map((row) => gateRoute(row, services));
}
