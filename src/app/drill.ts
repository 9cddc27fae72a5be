// A drill beside the running server: the backup is restored into a scratch home by a process of its own, compared
// with this archive, told in the ledger, and taken away again.
import { fork } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PostsealError } from '../kernel/errors.ts';
import type { Actor } from '../ledger/event/draft.ts';
import { type DrillReport, drillPassed } from '../operate/backup/drill-report.ts';
import type { Drill } from '../operate/backup/drill-routes.ts';
import type { Config } from '../platform/config/config.ts';
import { reviveError } from '../vault/keys/wire-error.ts';
import type { DrillOrder, FromDrill } from './drill-messages.ts';
import type { NodeContext } from './node-context.ts';
import type { Services } from './services.ts';

export interface DrillDeps {
  readonly config: Config;
  readonly context: NodeContext;
  readonly services: Pick<Services, 'committer'>;
}

const prefix = 'drill-';

/** Undefined without a target. */
export function createDrill(deps: DrillDeps): Drill | undefined {
  const { config, context } = deps;
  const target = config.backup.directory;
  if (target === undefined) return undefined;
  let running = false;
  return async (actor, onProgress) => {
    if (running) throw new PostsealError('backup.busy');
    running = true;
    dropLeftovers(config.home);
    const scratch = mkdtempSync(join(config.home, prefix));
    try {
      // The token alone: a home that is lost leaves nothing else.
      symlinkSync(join(config.home, 'keys'), join(scratch, 'keys'));
      const order = { scratch, target, databaseUrl: context.databaseUrl };
      const report = await inChild(order, onProgress);
      await record(deps, actor, report);
      return report;
    } catch (error) {
      await recordFailure(deps, actor, error);
      throw error;
    } finally {
      rmSync(scratch, { recursive: true, force: true });
      running = false;
    }
  };
}

/** Of a drill that was killed with its server. */
function dropLeftovers(home: string): void {
  for (const name of readdirSync(home)) {
    if (name.startsWith(prefix)) rmSync(join(home, name), { recursive: true, force: true });
  }
}

function inChild(
  order: DrillOrder,
  onProgress: (done: number, total: number) => void,
): Promise<DrillReport> {
  const child = fork(fileURLToPath(new URL('drill-main.ts', import.meta.url)), [], {
    execArgv: [],
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  return new Promise((resolve, reject) => {
    let report: DrillReport | undefined;
    let failed: Error | undefined;
    child.on('message', (message: FromDrill) => {
      if ('report' in message) ({ report } = message);
      else if ('code' in message) failed = reviveError(message.code, message.fields);
      else {
        try {
          onProgress(message.done, message.total);
        } catch (error) {
          failed = error as Error;
          child.disconnect();
        }
      }
    });
    child.once('error', reject);
    child.once('exit', () => {
      if (failed === undefined && report !== undefined) resolve(report);
      else reject(failed ?? new PostsealError('internal', { what: 'drill ended' }));
    });
    child.send(order);
  });
}

async function record({ services }: DrillDeps, actor: Actor, report: DrillReport): Promise<void> {
  const { set, coveredUntil, records, different, erasedSince, findings } = report;
  await services.committer.record({
    op: 'backup.drilled',
    outcome: drillPassed(report) ? 'success' : 'failure',
    actor,
    objects: [],
    fields: {
      ...{ set, coveredUntil, records, different, erasedSince, findings: findings.length },
      rtoSeconds: Math.round(report.rtoSeconds),
      rpoSeconds: Math.round(report.rpoSeconds),
    },
  });
}

/** The failure itself goes on to whoever ordered the drill, whatever becomes of its event. */
async function recordFailure({ services }: DrillDeps, actor: Actor, error: unknown): Promise<void> {
  const code = error instanceof PostsealError ? error.code : 'internal';
  const about = { outcome: 'failure', actor, objects: [], fields: { code } } as const;
  await services.committer.record({ op: 'backup.drilled', ...about }).catch(() => undefined);
}
