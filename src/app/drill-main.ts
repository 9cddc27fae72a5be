// The process of a drill: restores into the scratch home it is told, and compares. It reads the backup, the token and
// the database to compare with, and no file of the first home. Started by drill.ts; ends with its parent.
import { PostsealError } from '../kernel/errors.ts';
import { type Comparison, compareRecords } from '../operate/backup/compare-records.ts';
import { loadConfig } from '../platform/config/load-config.ts';
import { openDatabase } from '../platform/postgres/database.ts';
import { restoreTo } from './backup-offline.ts';
import type { DrillOrder, FromDrill } from './drill-messages.ts';

function say(message: FromDrill): void {
  if (process.connected) process.send?.(message);
}

async function drill({ scratch, target, databaseUrl }: DrillOrder): Promise<void> {
  const began = Date.now();
  const config = loadConfig(undefined);
  const running = await openDatabase({ url: databaseUrl, poolMax: 1, name: 'postseal drill' });
  let told = 0;
  const onProgress = (done: number, total: number): void => {
    if (done - told < total / 100) return;
    told = done;
    say({ done, total });
  };
  let seconds = 0;
  let comparison: Comparison | undefined;
  try {
    const restored = await restoreTo(
      { ...config, database: { url: undefined }, home: scratch },
      target,
      undefined,
      onProgress,
      async (database, { coveredUntil }) => {
        seconds = (Date.now() - began) / 1000;
        comparison = await compareRecords(running, database, new Date(coveredUntil));
      },
    );
    const { set, coveredUntil, contents, leaves, findings } = restored;
    if (comparison === undefined)
      throw new PostsealError('restore.no-backup', { what: 'database' });
    const rpoSeconds = (began - Date.parse(coveredUntil)) / 1000;
    const measured = { rtoSeconds: seconds, rpoSeconds };
    say({ report: { set, coveredUntil, contents, leaves, findings, ...measured, ...comparison } });
  } finally {
    await running.close();
  }
}

process.once('message', (order: DrillOrder) => {
  drill(order)
    .catch((error: unknown) => {
      const known =
        error instanceof PostsealError ? error : new PostsealError('internal', {}, error);
      if (known !== error) process.stderr.write(`${String((error as Error).stack)}\n`);
      say({ code: known.code, fields: known.fields });
    })
    .finally(() => {
      if (process.connected) process.disconnect?.();
    });
});
// Without its parent nobody waits; the guard beside PostgreSQL ends that too.
process.on('disconnect', () => process.exit(0));
process.on('SIGINT', () => undefined);
