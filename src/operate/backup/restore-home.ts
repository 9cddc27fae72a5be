// A home from a backup: files, recovery of PostgreSQL, and the proof that what came back fits together. Opens no
// content and needs no key but those of the backup.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newScrubCounts, scrubArchive } from '../../archive/scrub.ts';
import { signerStatePath } from '../../ledger/signer/signer-state.ts';
import { verifyLedger } from '../../ledger/verify/verify-ledger.ts';
import { acquireHomeLock } from '../../platform/home/lock.ts';
import { clusterFiles } from '../../platform/postgres/cluster.ts';
import { type Database, openDatabase } from '../../platform/postgres/database.ts';
import { startEmbeddedPostgres } from '../../platform/postgres/embedded.ts';
import type { BodyStore } from '../../vault/packs/body-store.ts';
import { linesOf, readSets, type SetDamage } from './read-sets.ts';
import { restoreFiles, walForRecovery } from './restore-files.ts';
import { beginRestore, emptyAgain, endRestore, refuseUsedHome } from './restore-place.ts';
import { planRestore, type RestorePlan } from './restore-plan.ts';
import type { FileKeys } from './sealed-reader.ts';

export interface RestoreOptions {
  readonly target: string;
  /** Empty but for `keys/` and configuration. */
  readonly home: string;
  readonly keys: FileKeys;
  readonly at: Date | undefined;
  /** Opens the packs of the restored home. */
  readonly openStore: (root: string) => BodyStore;
  /** Called with the recovered database before it is looked at: brings its schema to this version. */
  readonly migrate: (url: string) => Promise<unknown>;
  /** Then: brings ledger, key state and erasures to what is known of the time after the database. */
  readonly settle: (database: Database, recovered: Recovered) => Promise<Settled>;
  /** Called with the recovered database, before it is stopped, with what was found. */
  readonly onRecovered: (database: Database, report: RestoreReport) => Promise<void>;
  readonly onProgress: (done: number, total: number) => void;
}

export interface Recovered {
  readonly url: string;
  readonly organisation: string;
}

/** What is known of the time after the instant of the database. */
export interface Settled {
  /** Leaves that the restored log had, and those that it has now. */
  readonly ledgerFrom: number;
  readonly ledgerTo: number;
  /** Leaves whose changes did not come back, by operation. */
  readonly lostByOp: Readonly<Record<string, number>>;
  /** The first thousand of them that are no mere looks. */
  readonly lost: readonly LostLeaf[];
  /** Ids of records that were erased after the instant, and now again. */
  readonly erasedAgain: readonly string[];
  /** The key state that was put in: its full file, and what it told to be erased once more. */
  readonly keyState?: {
    readonly file: string;
    readonly takenAt: string;
    readonly erased: number;
  };
  readonly findings: readonly SetDamage[];
}

export interface LostLeaf {
  readonly seq: number;
  readonly at: string;
  readonly op: string;
  readonly objects: readonly string[];
}

export interface RestoreReport extends Settled {
  readonly set: string;
  readonly base: string;
  readonly organisation: string;
  readonly database: 'embedded' | 'outside';
  /** Everything acknowledged before this instant is there. */
  readonly coveredUntil: string;
  readonly files: number;
  readonly bytes: number;
  readonly contents: number;
  /** Leaves of the restored ledger, and its root. */
  readonly leaves: number;
  readonly root: string;
  /** The newest checkpoint in the whole backup; with a point in time the ledger may be behind it. */
  readonly newestCheckpoint: number;
  readonly findings: readonly SetDamage[];
}

/**
 * What it wrote is gone again after a failure.
 * @throws PostsealError `restore.not-empty`, `restore.no-backup`, `restore.not-reached`, `home.disk-full`;
 * IntegrityError with the damaged file.
 */
export async function restoreHome(options: RestoreOptions): Promise<RestoreReport> {
  const { target, home, keys, at } = options;
  refuseUsedHome(home);
  const damaged: SetDamage[] = [];
  const sets = await readSets(target, keys, (damage) => damaged.push(damage));
  const plan = planRestore(linesOf(sets), at, sets);
  const newestCheckpoint = Math.max(0, ...sets.map(({ ledger }) => ledger?.size ?? 0));
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const lock = acquireHomeLock(home);
  try {
    await beginRestore(home);
    return await restoreLocked(options, plan, { newestCheckpoint, damaged });
  } finally {
    lock.release();
  }
}

interface Known {
  readonly newestCheckpoint: number;
  readonly damaged: readonly SetDamage[];
}

async function restoreLocked(
  options: RestoreOptions,
  plan: RestorePlan,
  known: Known,
): Promise<RestoreReport> {
  const { home } = options;
  try {
    const report = await fillHome(options, plan, known);
    endRestore(home);
    return report;
  } catch (error) {
    emptyAgain(home);
    endRestore(home);
    throw error;
  }
}

async function fillHome(
  options: RestoreOptions,
  plan: RestorePlan,
  known: Known,
): Promise<RestoreReport> {
  const { target, home, keys, onProgress } = options;
  const { newestCheckpoint, damaged } = known;
  const bytes = await restoreFiles({ target, home, keys }, plan, onProgress);
  const { base, last, coveredUntil, files } = plan;
  const about = {
    ...{ set: last.set, base: base.set, organisation: base.organisation, bytes, coveredUntil },
    ...{ database: base.database, files: files.size, newestCheckpoint },
  };
  if (base.database === 'outside') {
    return { ...about, ...untold, contents: 0, leaves: 0, root: '', findings: damaged };
  }
  return recover(options, plan, (settled, proved) => ({
    ...{ ...about, ...settled, ...proved },
    findings: [...damaged, ...settled.findings, ...proved.findings],
  }));
}

/** Of a database outside nothing is known here. */
const untold: Settled = {
  ...{ ledgerFrom: 0, ledgerTo: 0, lostByOp: {}, lost: [], erasedAgain: [], findings: [] },
};

type Proved = Pick<RestoreReport, 'contents' | 'leaves' | 'root' | 'findings'>;

async function recover(
  options: RestoreOptions,
  plan: RestorePlan,
  reportOf: (settled: Settled, proved: Proved) => RestoreReport,
): Promise<RestoreReport> {
  const { home } = options;
  writeFileSync(join(clusterFiles(home).data, 'recovery.signal'), '', { mode: 0o600 });
  const embedded = await startEmbeddedPostgres({ home, settings: recoverySettings(home, plan.at) });
  try {
    await options.migrate(embedded.url);
    const database = await openDatabase({
      url: embedded.url,
      poolMax: 2,
      name: 'postseal restore',
    });
    try {
      const { organisation } = plan.base;
      const settled = await options.settle(database, { url: embedded.url, organisation });
      const report = reportOf(settled, await prove(options, database));
      await options.onRecovered(database, report);
      return report;
    } finally {
      await database.close();
    }
  } finally {
    await embedded.stop();
    rmSync(walForRecovery(home), { recursive: true, force: true });
  }
}

/** PostgreSQL 18 manual, "Recovering Using a Continuous Archive Backup". */
function recoverySettings(home: string, at: Date | undefined): Record<string, string> {
  // The shell takes the path as it is, and PostgreSQL leaves a doubled percent sign alone.
  const wal = walForRecovery(home).replaceAll("'", "'\\''").replaceAll('%', '%%');
  return {
    archive_mode: 'off',
    // Otherwise it takes readers before it has recovered, and looks ready.
    hot_standby: 'off',
    restore_command: `cp '${wal}'/%f "%p"`,
    recovery_target_timeline: 'latest',
    ...(at === undefined
      ? {}
      : {
          recovery_target_time: at.toISOString().replace('T', ' ').replace('Z', '+00'),
          recovery_target_action: 'promote',
        }),
  };
}

/** Every row's frame is there and whole, and the ledger fits its tiles. */
async function prove({ home, openStore }: RestoreOptions, database: Database): Promise<Proved> {
  const findings: SetDamage[] = [];
  const counts = newScrubCounts();
  const store = openStore(join(home, 'packs'));
  try {
    for await (const { kind, place, what } of scrubArchive({ db: database, store }, counts)) {
      const at = Object.entries(place).map(([name, value]) => `${name} ${String(value)}`);
      findings.push({ place: `${kind} ${at.join(' ')}`, what });
    }
  } finally {
    await store.close();
  }
  const dir = join(home, 'ledger');
  const ledger = await verifyLedger({
    ...{ database: database.pool, dir, signerState: signerStatePath(home), settleMs: 0 },
    publicKey: readFileSync(join(dir, 'public-key.der')),
  });
  findings.push(...ledger.findings.map(({ place, what }) => ({ place: `ledger ${place}`, what })));
  return { contents: counts.contents, leaves: ledger.size, root: ledger.root, findings };
}
