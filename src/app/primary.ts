// The primary process: the home's lock, PostgreSQL, the key service, the signer and the sequencer, the
// API on its Unix socket, and the workers that serve mail. Starts in this order, stops in the reverse.
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createAccountCredentials } from '../access/account-credentials.ts';
import { createApprovals } from '../access/approvals.ts';
import { createFirstAdministrators } from '../access/first-run.ts';
import { createPersons } from '../access/persons.ts';
import { createDispatch } from '../access/routes/dispatch.ts';
import { createUnlock } from '../access/unlock.ts';
import { UnknownNames } from '../access/unknown-names.ts';
import { startApiServer } from '../admin/api-server.ts';
import { ensureOrganisation, findOrganisation } from '../archive/custodians.store.ts';
import { writeSession } from '../cli/session-file.ts';
import { PostsealError } from '../kernel/errors.ts';
import type { OrganisationId } from '../kernel/ids.ts';
import { systemActor } from '../ledger/event/draft.ts';
import { openTileFiles } from '../ledger/tiles/tile-files.ts';
import type { Drill } from '../operate/backup/drill-routes.ts';
import type { Backups } from '../operate/backup/backups.ts';
import type { KeyStates } from '../operate/backup/key-states.ts';
import { type AlertBus, createAlertBus } from '../platform/alerts/alert-bus.ts';
import type { Config } from '../platform/config/config.ts';
import { createLogger, type RootLog } from '../platform/log/create-logger.ts';
import { createHealth } from '../platform/metrics/health.ts';
import { createMetrics, type Metrics } from '../platform/metrics/metrics.ts';
import { startMetricsServer } from '../platform/metrics/metrics-server.ts';
import { openDatabase } from '../platform/postgres/database.ts';
import { prepareRunFolder } from '../platform/postgres/run-folder.ts';
import { openTlsKeeper } from '../platform/tls/tls-keeper.ts';
import { recordConfig } from './config-event.ts';
import { countAlerts, measureNode } from './gauges.ts';
import { createDrill } from './drill.ts';
import { openHomeDatabase } from './home-database.ts';
import { type LedgerWatch, watchLedger } from './ledger-watch.ts';
import { startLedger } from './ledger-writer.ts';
import { startKeys } from './key-child.ts';
import { keySocketOf, type NodeContext, nodeName, remoteKeysOf } from './node-context.ts';
import { openNodeBackups } from './node-backups.ts';
import { openNodeKeyStates } from './node-key-states.ts';
import { startNodeJobs } from './node-jobs.ts';
import { pinBodyStore } from './body-stores.ts';
import { pinKeyStore } from './pin-key-store.ts';
import { allRoutes } from './routes.ts';
import { openServices, sealerFor, type Services, systemClock } from './services.ts';
import { Started } from './started.ts';
import { startWorkers, type Workers } from './workers.ts';

export interface Primary {
  /** `postseal ready …`, with the listeners that exist. */
  readonly readyLine: string;
  stop(): Promise<void>;
}

const databaseStopMsMax = 45_000;

/** The workers, once they run: what is made before them asks through this. */
interface Serving {
  workers?: Workers;
}

interface Saved {
  readonly backups: Backups | undefined;
  readonly keyStates: KeyStates | undefined;
  readonly drill: Drill | undefined;
}

interface Base {
  readonly config: Config;
  readonly metrics: Metrics;
  readonly log: RootLog;
  readonly alerts: AlertBus;
  readonly started: Started;
}

async function openContext(base: Base): Promise<NodeContext> {
  const { config, started } = base;
  const home = await openHomeDatabase(config, base.log, base.alerts);
  // A fast shutdown has thirty seconds before it becomes an immediate one.
  started.add('database', () => home.close(), databaseStopMsMax);
  const databaseUrl = home.url;
  const database = await openDatabase({ url: databaseUrl, poolMax: 1, name: 'postseal start' });
  try {
    const node = nodeName(config.home);
    const known = await findOrganisation(database);
    const organisation = known ?? (randomUUID() as string as OrganisationId);
    const keySocket = keySocketOf(config.home);
    const remoteKeys = remoteKeysOf(config);
    const context = {
      ...{ home: config.home, databaseUrl, organisation, node },
      ...{ keySocket, remoteKeys },
    };
    await ensureOrganisation({ db: database, sealer: sealerFor(context, 'start') }, organisation);
    return context;
  } finally {
    await database.close();
  }
}

async function openApi(
  base: Base,
  context: NodeContext,
  services: Services,
  serving: Serving,
  saved: Saved,
): Promise<void> {
  const { config, log, started } = base;
  const { needed: decisions, of: holders } = config.generations.officers;
  const quorum = { 'key.destroy': { decisions, holders } };
  const approvals = createApprovals({ ...services, quorum });
  const persons = createPersons({ ...services, approvals });
  const made = await createFirstAdministrators(persons, join(config.home, 'first-run.txt'));
  if (made.includes('sysadmin')) {
    const session = await services.signIn.firstStart(await persons.find('sysadmin'));
    writeSession(config.home, { person: 'sysadmin', token: session.token });
  }
  if (made.length > 0) {
    process.stderr.write(
      `postseal: one-time passwords of ${made.join(', ')} are in ${join(config.home, 'first-run.txt')}\n`,
    );
  }
  const routes = allRoutes({
    services,
    log,
    alerts: base.alerts,
    graceDays: config.generations.graceDays,
    persons,
    approvals,
    credentials: createAccountCredentials({ ...services, approvals }),
    files: openTileFiles(join(config.home, 'ledger')),
    messageBytesMax: config.limits.messageBytes,
    sessions: {
      list: async () => (await serving.workers?.sessions()) ?? [],
      kick: async (session) => ((await serving.workers?.kick({ session })) ?? 0) > 0,
      kickAccount: async (account) => (await serving.workers?.kick({ account })) ?? 0,
    },
    ...saved,
    unlock: createUnlock({
      ...services,
      forgetOthers: async (nameKey) => serving.workers?.forgetFailures(nameKey),
    }),
  });
  const socketPath = join(prepareRunFolder(context.home), 'api.sock');
  const api = await startApiServer({ socketPath, routes, dispatch: createDispatch(services), log });
  started.add('api', () => api.close());
}

async function openSaved(
  { config, log, alerts }: Base,
  context: NodeContext,
  services: Services,
): Promise<Saved> {
  const backups = await openNodeBackups({ config, context, services, log, alerts });
  const keyStates = openNodeKeyStates({ config, services, backups, log, alerts });
  return { backups, keyStates, drill: createDrill({ config, context, services }) };
}

function startSaving(started: Started, { backups, keyStates }: Saved): void {
  if (backups !== undefined) {
    started.add('backups', () => backups.stop());
    backups.start();
  }
  if (keyStates === undefined) return;
  started.add('key states', () => keyStates.stop());
  keyStates.start();
}

async function openMetrics(
  base: Base,
  services: Services,
  ledger: LedgerWatch,
): Promise<number | undefined> {
  const { config, log, metrics, started } = base;
  const listener = config.listeners.metrics;
  if (!listener.enabled) return undefined;
  const health = createHealth();
  health.add('alive', 'process', () => undefined);
  health.add('ready', 'database', async () => {
    await services.database.pool.query('SELECT 1');
  });
  health.add('ready', 'keys', async () => {
    const { available } = await services.keys.status();
    if (!available) throw new PostsealError('key.unavailable');
  });
  health.add('ready', 'ledger', () => ledger.check());
  const server = await startMetricsServer({ listener, metrics, health, log });
  started.add('metrics', () => server.close());
  return server.port;
}

function readyLine(config: Config, workers: Workers, metrics: number | undefined): string {
  const { listeners } = config;
  const { imap, imaps, lmtp } = workers.ports;
  const named = [
    ['imap', listeners.imap.host, imap],
    ['imaps', listeners.imaps.host, imaps],
    ['lmtp', listeners.lmtp.host, lmtp],
    ['metrics', listeners.metrics.host, metrics],
  ] as const;
  const parts = named.flatMap(([name, host, port]) =>
    port === undefined ? [] : [`${name}=${host}:${port}`],
  );
  return ['postseal ready', ...parts].join(' ');
}

/** A node that uses the key service of another machine has none. */
async function startOwnKeys(base: Base, context: NodeContext): Promise<void> {
  if (context.remoteKeys !== undefined) return;
  const keys = await startKeys(base.config, context, base.log, base.alerts);
  base.started.add('key service', () => keys.close());
}

async function startAll(base: Base): Promise<string> {
  const { config, log, alerts, started } = base;
  const context = await openContext(base);
  await startOwnKeys(base, context);
  const pinned = pinKeyStore(config);
  await pinBodyStore(config);
  const ledger = await startLedger(config, context, log, alerts);
  started.add('ledger', () => ledger.stop());
  // Made here, before several workers look for it at once; each worker watches it by itself.
  const certificate = await openTlsKeeper({
    home: config.home,
    config: config.tls,
    domain: config.organisation.domain,
    log,
    now: () => new Date(),
    creates: true,
  });
  certificate.close();
  const unknownNames = UnknownNames.begin(randomBytes(32), systemClock.now());
  const serving: Serving = {};
  const services = await openServices({
    config,
    context,
    log,
    name: 'primary',
    poolMax: 4,
    unknownNames: unknownNames.today(systemClock.now()),
    flushOthers: async () => serving.workers?.flush(),
  });
  started.add('services', () => services.close());
  await recordConfig(services, pinned, context.organisation);
  const saved = await openSaved(base, context, services);
  await openApi(base, context, services, serving, saved);
  const watch = watchLedger({
    database: services.database.pool,
    files: openTileFiles(join(config.home, 'ledger')),
    metrics: base.metrics,
    alerts,
  });
  started.add('ledger watch', () => watch.stop());
  const metrics = await openMetrics(base, services, watch);
  started.add(
    'gauges',
    measureNode(base.metrics, services, () => serving.workers?.count ?? 0),
  );
  startSaving(started, saved);
  const jobs = await startNodeJobs({ config, context, log, alerts, services, ...saved });
  started.add('jobs', () => jobs.stop());
  const workers = await startWorkers({
    count: config.workers,
    context,
    log,
    alerts,
    unknownNames: () => unknownNames.today(systemClock.now()),
    onSignInFailure: (nameKey, ip) => {
      services.throttle.failed(nameKey, ip, systemClock.now());
    },
  });
  serving.workers = workers;
  started.add('workers', () => workers.stop());
  const about = { outcome: 'success', actor: systemActor, objects: [] } as const;
  await services.committer.record({ op: 'server.started', ...about });
  started.add('last event', async () => {
    await services.committer.record({ op: 'server.stopped', ...about });
  });
  return readyLine(config, workers, metrics);
}

/** Starts everything. @throws PostsealError with everything stopped again. */
export async function startPrimary(config: Config): Promise<Primary> {
  mkdirSync(config.home, { recursive: true, mode: 0o700 });
  const started = new Started((text) => void process.stderr.write(`postseal: ${text}\n`));
  const log = createLogger({
    level: config.log.level,
    folder: join(config.home, 'log'),
    name: 'postseal',
    standardError: false,
    fields: { role: 'primary' },
  });
  started.add('log', () => log.close());
  const metrics = createMetrics();
  const alerts = createAlertBus({
    log,
    now: () => systemClock.now(),
    count: countAlerts(metrics),
  });
  try {
    const line = await startAll({ config, metrics, log, alerts, started });
    log.info('server.state.ready');
    return { readyLine: line, stop: () => started.stop() };
  } catch (error) {
    await started
      .stop()
      .catch((late: unknown) => log.error('server.state.stopped', { error: late }));
    throw error;
  }
}
