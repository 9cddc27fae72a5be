// What a node does by itself, through the durable queue: it verifies its own ledger, scrubs its own bytes,
// folds metadata, empties packs that are mostly dead, lets approvals expire, and looks at what runs out. What it finds is an event and an alert. Times are UTC.
import { createApprovals } from '../access/approvals.ts';
import { compactPacks } from '../archive/compact-packs.ts';
import { gatherPacks } from '../archive/gather-packs.ts';
import { rewrapKeys, rotateKeys } from '../archive/generations/key-switch.ts';
import { foldMetadata } from '../archive/fold-metadata.ts';
import { erasedRecords } from '../archive/key-state/applied-rows.store.ts';
import type { Finding } from '../cli/offline.ts';
import { PostsealError } from '../kernel/errors.ts';
import type { CustodianId, RecordId, RecordNo } from '../kernel/ids.ts';
import type { UnixMs } from '../kernel/time.ts';
import { systemActor } from '../ledger/event/draft.ts';
import { doctorChecks } from '../operate/doctor/index.ts';
import { drillPassed } from '../operate/backup/drill-report.ts';
import type { Drill } from '../operate/backup/drill-routes.ts';
import type { Backups, BaseKind } from '../operate/backup/backups.ts';
import type { KeyStates } from '../operate/backup/key-states.ts';
import { alertOfFindings, reconcileKeys } from '../operate/reconcile/reconcile-keys.ts';
import type { AlertBus } from '../platform/alerts/alert-bus.ts';
import type { AlertCode } from '../platform/alerts/alert-registry.ts';
import type { Config } from '../platform/config/config.ts';
import { createJobs, type JobHandler, type JobOptions } from '../platform/jobs/jobs.ts';
import type { Log } from '../platform/log/log.ts';
import { type Database, openDatabase } from '../platform/postgres/database.ts';
import { liveGenerationDays } from '../vault/keys/generation-list.store.ts';
import type { NodeContext } from './node-context.ts';
import { scrubHome } from './scrub.ts';
import { type Services, systemClock } from './services.ts';
import { verifyHomeLedger } from './verify-ledger.ts';

export interface NodeJobsDeps {
  readonly config: Config;
  readonly context: NodeContext;
  readonly log: Log;
  readonly alerts: AlertBus;
  readonly services: Pick<
    Services,
    | 'committer'
    | 'gate'
    | 'keys'
    | 'database'
    | 'sealer'
    | 'pseudonyms'
    | 'organisation'
    | 'store'
    | 'archive'
  >;
  /** Undefined without a target. */
  readonly backups?: Backups | undefined;
  readonly keyStates?: KeyStates | undefined;
  readonly drill?: Drill | undefined;
}

export interface NodeJobs {
  /** Puts a job into the queue now, besides its schedule. */
  send(name: NodeJobName): Promise<void>;
  stop(): Promise<void>;
}

interface NodeJob {
  readonly cron: string;
  readonly options: JobOptions;
  readonly run: (deps: NodeJobsDeps, database: Database, check: () => void) => Promise<void>;
}

/** Looks that tell what runs out or stands still, and their alerts; the others of doctor need a person. */
const watched: ReadonlyMap<string, AlertCode> = new Map([
  ['disk', 'doctor.disk'],
  ['bodies', 'doctor.bodies'],
  ['certificate', 'doctor.certificate'],
  ['clock', 'doctor.clock'],
  ['ledger', 'doctor.ledger'],
  ['database', 'doctor.database'],
]);
const hour = 3600;
const foldPagesMax = 64;
const pollSeconds = 5;

async function report(
  deps: NodeJobsDeps,
  found: {
    readonly op: 'ledger.verified' | 'scrub.run';
    readonly alert: 'integrity.ledger' | 'integrity.pack';
    readonly findings: readonly Finding[];
    readonly fields: Readonly<Record<string, number>>;
  },
): Promise<void> {
  const { op, alert, findings, fields } = found;
  const [first] = findings;
  // The alert goes first: where the event cannot be written, a person must know all the more.
  if (first !== undefined) {
    const about = { findings: findings.length, place: first.place };
    deps.alerts.raise({ code: alert, fields: about });
  }
  await deps.services.committer.record({
    op,
    outcome: first === undefined ? 'success' : 'failure',
    actor: systemActor,
    objects: [],
    fields: { ...fields, findings: findings.length },
  });
}

async function verifySelf(deps: NodeJobsDeps, database: Database, check: () => void) {
  const options = { running: true, onProgress: check };
  let size = 0;
  let findings: readonly Finding[];
  try {
    const answer = await verifyHomeLedger(deps.config, database, options);
    ({ size, findings } = answer);
  } catch (error) {
    if (!(error instanceof PostsealError && error.code === 'integrity.ledger')) throw error;
    findings = [{ place: String(error.fields['place'] ?? 'ledger'), text: 'missing' }];
  }
  const fields = { size };
  await report(deps, { op: 'ledger.verified', alert: 'integrity.ledger', findings, fields });
}

async function scrub(deps: NodeJobsDeps, database: Database, check: () => void): Promise<void> {
  const about = { url: deps.context.databaseUrl, applied: [], running: true };
  const { findings, frames, contents, wraps, cells, pages, keys } = await scrubHome(
    deps.config,
    (_config, work) => work(database, about),
    check,
  );
  const fields = { frames, contents, wraps, cells, pages, keys };
  await report(deps, { op: 'scrub.run', alert: 'integrity.pack', findings, fields });
}

async function watch(deps: NodeJobsDeps, database: Database): Promise<void> {
  const context = {
    config: deps.config,
    database,
    databaseProblem: undefined,
    running: true,
    keys: undefined,
    keyProblem: undefined,
    now: systemClock.now(),
  };
  for (const { name, look } of doctorChecks) {
    const code = watched.get(name);
    if (code === undefined) continue;
    const { verdict } = await look(context);
    if (verdict === 'bad') deps.alerts.raise({ code });
  }
}

async function compact(deps: NodeJobsDeps, db: Database, check: () => void): Promise<void> {
  const { committer, store } = deps.services;
  const startedAt = Math.floor(performance.timeOrigin) as UnixMs;
  const result = await compactPacks({
    ...{ db, store, committer, startedAt, clock: systemClock },
    onStep: check,
  });
  if (result.damaged > 0) {
    deps.alerts.raise({ code: 'integrity.pack', fields: { findings: result.damaged } });
  }
  deps.log.info('archive.pack.compacted', { ...result });
}

async function gather(deps: NodeJobsDeps, db: Database, onStep: () => void): Promise<void> {
  const { committer, store } = deps.services;
  const result = await gatherPacks({ db, store, committer, onStep });
  if (result.damaged > 0) {
    deps.alerts.raise({ code: 'integrity.pack', fields: { findings: result.damaged } });
  }
  if (result.moved + result.locked > 0) deps.log.info('archive.batch.gathered', { ...result });
}

/** Makes the next generation when the live one is old enough, and goes on with what a switch left undone. */
async function switchKeys(deps: NodeJobsDeps, db: Database, check: () => void): Promise<void> {
  const { organisation } = deps.services;
  const { days } = deps.config.generations;
  const switching = { ...deps.services, database: db, log: deps.log };
  try {
    if (days > 0 && (await liveGenerationDays(db.pool, organisation)) >= days) {
      await rotateKeys(switching, systemActor);
    }
    for await (const line of rewrapKeys(switching, systemActor)) {
      if ('phase' in line) check();
    }
    await deps.keyStates?.write();
  } catch (error) {
    // Somebody does it by hand at this moment.
    if (!(error instanceof PostsealError && error.code === 'key.switch-busy')) throw error;
  }
}

/** Compares the keys handed out with the ledger. */
async function reconcile(deps: NodeJobsDeps, db: Database, check: () => void): Promise<void> {
  const comparing = { ...deps.services, database: db };
  alertOfFindings(deps.alerts, await reconcileKeys(comparing, systemActor, { check }));
}

/** What a restored database has although it was erased (docs/formats/key-state.md "Applying"). */
async function eraseAgain(deps: NodeJobsDeps, db: Database, check: () => void): Promise<void> {
  for (const { custodian, record, number } of await erasedRecords(db.pool)) {
    check();
    const ref = {
      custodian: custodian as CustodianId,
      recordId: record as RecordId,
      recordNo: number as RecordNo,
    };
    await deps.services.archive.shred(ref, { actor: systemActor });
  }
}

/** A person's backup that runs at this moment will do. */
function backup(kind: BaseKind): NodeJob['run'] {
  return async ({ backups }, _database, check) => {
    try {
      await backups?.run(kind, systemActor, check);
    } catch (error) {
      if (!(error instanceof PostsealError && error.code === 'backup.busy')) throw error;
    }
  };
}

async function drillBackup({ drill, alerts }: NodeJobsDeps, _db: Database, check: () => void) {
  const report = await drill?.(systemActor, check);
  if (report === undefined || drillPassed(report)) return;
  const { different, findings } = report;
  alerts.raise({ code: 'backup.drill-failed', fields: { different, findings: findings.length } });
}

const registry = {
  'backup.full': {
    cron: '11 1 * * 0',
    options: { retries: 2, retrySeconds: 600, timeoutSeconds: 20 * hour },
    run: backup('full'),
  },
  'backup.incremental': {
    cron: '11 1 * * 1-6',
    options: { retries: 2, retrySeconds: 600, timeoutSeconds: 20 * hour },
    run: backup('incremental'),
  },
  'backup.drill': {
    // The first of a month.
    cron: '37 5 1 * *',
    options: { retries: 1, retrySeconds: 3600, timeoutSeconds: 20 * hour },
    run: drillBackup,
  },
  'ledger.verify-self': {
    cron: '17 2 * * *',
    options: { retries: 1, retrySeconds: 600, timeoutSeconds: 8 * hour },
    run: verifySelf,
  },
  'archive.scrub': {
    cron: '23 3 * * 0',
    options: { retries: 1, retrySeconds: 600, timeoutSeconds: 20 * hour },
    run: scrub,
  },
  'archive.compact': {
    cron: '43 4 * * *',
    options: { retries: 1, retrySeconds: 600, timeoutSeconds: 8 * hour },
    run: compact,
  },
  'archive.gather': {
    cron: '*/10 * * * *',
    // The next tick is the retry.
    options: { retries: 0, timeoutSeconds: hour },
    run: gather,
  },
  'archive.fold-metadata': {
    cron: '*/5 * * * *',
    // The next tick is the retry.
    options: { retries: 0, timeoutSeconds: hour },
    run: async ({ services }, db) => {
      await foldMetadata({ ...services, db }, { limitPages: foldPagesMax });
    },
  },
  'key.switch': {
    cron: '13 * * * *',
    // The next hour is the retry.
    options: { retries: 0, timeoutSeconds: 20 * hour },
    run: switchKeys,
  },
  // Hourly, so that what happened on a day is told on that day.
  'key.reconcile': {
    cron: '37 * * * *',
    options: { retries: 0, timeoutSeconds: 8 * hour },
    run: reconcile,
  },
  'archive.erase-again': {
    cron: '7 * * * *',
    // The next hour is the retry.
    options: { retries: 0, timeoutSeconds: hour },
    run: eraseAgain,
  },
  'access.expire-approvals': {
    cron: '29 * * * *',
    options: { retries: 1, retrySeconds: 60 },
    run: async ({ services }) => {
      await createApprovals(services).expire();
    },
  },
  'home.watch': { cron: '41 * * * *', options: { retries: 1, retrySeconds: 60 }, run: watch },
} as const satisfies Record<string, NodeJob>;

/** Wait until the report of a restore is signed: they change what a wrong restore would still need. */
const changing: ReadonlySet<string> = new Set([
  'archive.compact',
  'archive.erase-again',
  'archive.fold-metadata',
  'archive.gather',
  'key.switch',
]);

export type NodeJobName = keyof typeof registry;

/** Opens the queue on connections of its own, so that a long job never waits for a request or the reverse. */
export async function startNodeJobs(deps: NodeJobsDeps): Promise<NodeJobs> {
  const { log, alerts, context } = deps;
  const database = await openDatabase({
    url: context.databaseUrl,
    poolMax: 3,
    name: 'postseal jobs',
    onConnectionLost: (error) => log.warn('postgres.connection.lost', { error }),
  });
  let stopping = false;
  /** Called in the middle of long work: a stop does not wait for its end; the queue tries again. */
  const check = (): void => {
    if (stopping) throw new PostsealError('store.aborted', { reason: 'the server stops' });
  };
  const holder = `${context.node}/${String(process.pid)}`;
  const jobs = createJobs({ database, log, alerts, holder, pollSeconds });
  for (const [name, job] of Object.entries<NodeJob>(registry)) {
    const handler: JobHandler = async () => {
      if (changing.has(name) && !(await deps.services.gate.isOpen())) return;
      await job.run(deps, database, check);
    };
    jobs.define(name, handler, job.options);
    jobs.schedule(name, job.cron);
  }
  try {
    await jobs.start();
  } catch (error) {
    await database.close();
    throw error;
  }
  return {
    async send(name) {
      await jobs.send(name, {});
    },
    async stop() {
      stopping = true;
      await jobs.stop();
      await database.close();
    },
  };
}
