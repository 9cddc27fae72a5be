// What the command line does with backups without a server: it reads them with the token alone, and makes a home
// of them. None of it opens content.
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { BackupLine, RestoredHome } from '../cli/offline.ts';
import { PostsealError } from '../kernel/errors.ts';
import type { OrganisationId } from '../kernel/ids.ts';
import { canonicalJson, type JsonValue } from '../ledger/event/canonical-json.ts';
import { systemActor } from '../ledger/event/draft.ts';
import { withEvents } from '../ledger/event/inbox.store.ts';
import { openBackupKeys } from '../operate/backup/key-process.ts';
import { insertRestore } from '../operate/backup/home-restore.store.ts';
import { linesOf, organisationOf, reachOf, readSets } from '../operate/backup/read-sets.ts';
import { restoreHome, type RestoreReport } from '../operate/backup/restore-home.ts';
import { refuseUsedHome } from '../operate/backup/restore-place.ts';
import { createFileKeys, type FileKeys } from '../operate/backup/sealed-reader.ts';
import { type BackupVerdict, verifyBackup } from '../operate/backup/verify-backup.ts';
import { migrations } from '../../migrations/index.ts';
import type { Config } from '../platform/config/config.ts';
import type { Database } from '../platform/postgres/database.ts';
import { migrate } from '../platform/postgres/data-source.ts';
import { createPackStore } from '../vault/packs/pack-store.ts';
import { openBodyStore } from './body-stores.ts';
import { keyStoreChoice } from './key-child.ts';
import { keySocketOf, nodeName } from './node-context.ts';
import { sealerFor } from './services.ts';
import { settleRestore } from './settle-restore.ts';

type OnProgress = (done: number, total: number) => void;

/** @throws PostsealError `backup.no-target`. */
function targetOf(config: Config, from: string | undefined): string {
  const target = from === undefined ? config.backup.directory : resolve(from);
  if (target === undefined) throw new PostsealError('backup.no-target');
  return target;
}

/** @throws PostsealError `restore.no-backup`, `key.store-missing`. */
async function withKeys<T>(
  config: Config,
  target: string,
  work: (keys: FileKeys) => Promise<T>,
): Promise<T> {
  const organisation = await organisationOf(target);
  if (organisation === undefined) throw new PostsealError('restore.no-backup', { target });
  const keys = createFileKeys(
    await openBackupKeys({
      ...{ organisation, folder: join(config.home, 'keys'), first: false },
      store: keyStoreChoice(config),
    }),
  );
  try {
    return await work(keys);
  } finally {
    await keys.close();
  }
}

export function listBackups(config: Config, from: string | undefined): Promise<BackupLine[]> {
  const target = targetOf(config, from);
  return withKeys(config, target, async (keys) => {
    const damaged: string[] = [];
    const sets = await readSets(target, keys, ({ place }) => damaged.push(place));
    const lines = linesOf(sets).map((line): BackupLine => {
      const { set, kind, createdAt, node, database, pieces } = line.base;
      const ledger = (line.tails.at(-1) ?? line.base).ledger?.size ?? 0;
      const octets = pieces.reduce((sum, { length }) => sum + length, 0);
      const tails = line.tails.length;
      return {
        set,
        kind,
        createdAt,
        reaches: reachOf(line),
        tails,
        octets,
        ledger,
        node,
        database,
      };
    });
    const [first] = damaged;
    if (first === undefined) return lines;
    throw new PostsealError('integrity.backup', { place: first, damaged: damaged.length });
  });
}

export function verifyBackupOf(
  config: Config,
  from: string | undefined,
  onProgress: OnProgress,
): Promise<BackupVerdict> {
  const target = targetOf(config, from);
  return withKeys(config, target, (keys) => verifyBackup(target, keys, onProgress));
}

export async function restoreTo(
  config: Config,
  from: string,
  at: Date | undefined,
  onProgress: OnProgress,
  /** A look at the recovered database before it is stopped. */
  look?: (database: Database, report: RestoreReport) => Promise<void>,
): Promise<RestoredHome> {
  const { home } = config;
  refuseUsedHome(home);
  const target = resolve(from);
  // Bodies in a bucket are not in the backup: they are proved where they are.
  const bucket = config.bodies.store === 's3' ? await openBodyStore(config) : undefined;
  return withKeys(config, target, (keys) =>
    restoreHome({
      ...{ target, home, keys, at, onProgress },
      openStore: (root) => {
        if (bucket !== undefined) return bucket;
        mkdirSync(root, { recursive: true, mode: 0o700 });
        return createPackStore({ root, random: randomBytes });
      },
      migrate: (url) => migrate(url, migrations),
      settle: (database, recovered) => settleRestore({ config, target, database }, recovered),
      async onRecovered(database, report) {
        const organisation = report.organisation as OrganisationId;
        const context = { home, databaseUrl: '', organisation, node: nodeName(home) };
        const sealer = sealerFor({ ...context, keySocket: keySocketOf(home) }, 'restore');
        const { set, base, coveredUntil, leaves, contents, findings, keyState } = report;
        const draft = {
          op: 'backup.restored',
          outcome: findings.length === 0 ? 'success' : 'failure',
          actor: systemActor,
          objects: [{ t: 'org', id: organisation }],
          fields: {
            ...{ set, base, coveredUntil, leaves, contents, findings: findings.length },
            ...{ ledgerFrom: report.ledgerFrom, erasedAgain: report.erasedAgain.length },
            ...(keyState === undefined ? {} : { keyState: keyState.file, erased: keyState.erased }),
          },
        } as const;
        const text = canonicalJson(JSON.parse(JSON.stringify(report)) as JsonValue);
        // From this row on the archive is read-only, until it is signed.
        await withEvents(database, sealer, [draft], async (client, [event]) => {
          const row = { id: randomUUID(), organisation, report: text };
          await insertRestore(client, row, event?.id ?? '');
        });
        await look?.(database, report);
      },
    }),
  );
}
