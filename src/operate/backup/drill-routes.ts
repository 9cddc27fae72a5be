// The route of a drill by hand: one line a step, and the report as the last.
import { personActor } from '../../access/person-actor.ts';
import { noInput, type Route, route } from '../../access/routes/route.ts';
import { PostsealError } from '../../kernel/errors.ts';
import type { Pseudonyms } from '../../ledger/event/actor-keys.store.ts';
import type { Actor } from '../../ledger/event/draft.ts';
import { withProgress } from './backup-routes.ts';
import type { DrillReport } from './drill-report.ts';

export type Drill = (
  actor: Actor,
  onProgress: (done: number, total: number) => void,
) => Promise<DrillReport>;

export interface DrillRoutesDeps {
  /** Undefined without a target. */
  readonly drill: Drill | undefined;
  readonly pseudonyms: Pick<Pseudonyms, 'of'>;
}

const access = ['system-admin'] as const;

export function drillRoutes({ drill, pseudonyms }: DrillRoutesDeps): readonly Route[] {
  return [
    route({
      name: 'backup.drill',
      method: 'POST',
      path: '/backups/drill',
      summary: 'Restore the backup into a scratch home and compare it with the running archive',
      access,
      input: noInput,
      run({ by }) {
        if (by === undefined) throw new PostsealError('access.signed-out');
        if (drill === undefined) throw new PostsealError('backup.no-target');
        const actor = personActor(pseudonyms, by, access);
        return Promise.resolve(withProgress((onProgress) => drill(actor, onProgress)));
      },
    }),
  ];
}
