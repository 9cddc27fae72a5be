// Between the recovery of a database and the first look at it: the ledger is rolled forward to what was published,
// and every erasure that it tells of and the database does not know is executed again (architecture §4, "Replay
// after restore"). Releases, grants and shortenings are never applied: the report lists them.
import { join } from 'node:path';
import { findRecord } from '../archive/find-record.store.ts';
import { erasedRecords } from '../archive/key-state/applied-rows.store.ts';
import { PostsealError } from '../kernel/errors.ts';
import type { CustodianId, OrganisationId, RecordId } from '../kernel/ids.ts';
import { systemActor } from '../ledger/event/draft.ts';
import { rollForward } from '../ledger/sequencer/roll-forward.ts';
import type { Recovered, Settled } from '../operate/backup/restore-home.ts';
import { accountOf } from '../operate/backup/rolled-account.ts';
import { createAlertBus } from '../platform/alerts/alert-bus.ts';
import type { Config } from '../platform/config/config.ts';
import { createLogger } from '../platform/log/create-logger.ts';
import type { Database } from '../platform/postgres/database.ts';
import { startKeys } from './key-child.ts';
import { keySocketOf, type NodeContext, nodeName } from './node-context.ts';
import { putNewestKeys } from './restored-keys.ts';
import { openServices, sealerFor, systemClock } from './services.ts';

export interface SettleOptions {
  readonly config: Config;
  readonly target: string;
  readonly database: Database;
}

export async function settleRestore(
  { config, target, database }: SettleOptions,
  { url, organisation }: Recovered,
): Promise<Settled> {
  const { home } = config;
  const rolled = await rollForward(database, join(home, 'ledger'));
  const context: NodeContext = {
    ...{ home, databaseUrl: url, organisation: organisation as OrganisationId },
    ...{ node: nodeName(home), keySocket: keySocketOf(home) },
  };
  // Before erasures, which may open what the keys of the data backup no longer do.
  const newest = await putNewestKeys({
    ...{ config, target, database, organisation: context.organisation },
    sealer: sealerFor(context, 'restored keys'),
  });
  const { lostByOp, lost, erasures } = accountOf(rolled.leaves);
  const known = new Set<string>(erasures.map(({ record }) => record));
  // Also those that only the key state tells of: a ledger as old as its data backup does not.
  const told = (await erasedRecords(database.pool)).filter(({ record }) => !known.has(record));
  const all = [...erasures, ...told];
  const erasedAgain = await eraseAgain(config, database, context, all);
  const { from: ledgerFrom, to: ledgerTo } = rolled;
  return { ...newest, ledgerFrom, ledgerTo, lostByOp, lost, erasedAgain };
}

/** Answers the ids of records that the database still had. */
async function eraseAgain(
  config: Config,
  database: Database,
  context: NodeContext,
  erasures: readonly {
    readonly custodian: string;
    readonly record: string;
    readonly seq?: number;
  }[],
): Promise<string[]> {
  if (erasures.length === 0) return [];
  const log = createLogger({ level: 'error', standardError: true });
  const alerts = createAlertBus({ log, now: () => systemClock.now() });
  const keys = await startKeys(config, context, log, alerts);
  const erased: string[] = [];
  try {
    const services = await openServices({ config, context, log, name: 'restore', poolMax: 2 });
    try {
      for (const { seq, custodian, record } of erasures) {
        const found = await findRecord(database.pool, custodian as CustodianId, record as RecordId);
        if (found === undefined) continue;
        const cause = { actor: systemActor, why: { basis: 'erased before the restore' } };
        await services.archive
          .shred(found, { ...cause, fields: seq === undefined ? {} : { again: seq } })
          .catch(endedIsDone);
        erased.push(record);
      }
    } finally {
      await services.close();
    }
  } finally {
    await keys.close();
    await log.close();
  }
  return erased;
}

/** The newest key state has ended its keys already. */
function endedIsDone(error: unknown): void {
  if (!(error instanceof PostsealError && error.code === 'key.destroyed')) throw error;
}
