// The backups of a node: full and incremental ones on order, and between them a tail every few seconds. One
// writer a home; a tail goes on while a base is copied. docs/formats/backup.md.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Committer } from '../../archive/committer/types.ts';
import { PostsealError } from '../../kernel/errors.ts';
import type { OrganisationId } from '../../kernel/ids.ts';
import { type Actor, systemActor } from '../../ledger/event/draft.ts';
import type { AlertBus } from '../../platform/alerts/alert-bus.ts';
import type { Log } from '../../platform/log/log.ts';
import { type Database, openDatabase } from '../../platform/postgres/database.ts';
import type { BackupKey, BackupKeys } from './backup-keys.ts';
import {
  afterStep,
  type BackupState,
  firstState,
  piecesOf,
  readState,
  withPieces,
  writeState,
  writeStep,
} from './backup-state.ts';
import { startBaseBackup, stopBaseBackup } from './base-backup.store.ts';
import { copyDataFiles, listDataFiles } from './copy-database.ts';
import { packPaths } from './new-files.ts';
import { PieceWriter } from './piece-writer.ts';
import { SealedWriter } from './sealed-writer.ts';
import { type BackupSet, type Piece, setFormat, type SetKind } from './set.ts';
import type { Base, NewSet } from './new-set.ts';
import { dropSpool, emptySpool, reachOfTail, takeTail } from './take-tail.ts';
import { hasSet, setPath } from './target.ts';
import { isHistory } from './wal-name.ts';

export interface BackupsDeps {
  readonly home: string;
  readonly target: string;
  readonly shipSeconds: number;
  readonly organisation: OrganisationId;
  readonly node: string;
  readonly version: string;
  /** The embedded server; undefined for a database outside, which its operator backs up. */
  readonly embedded:
    { readonly superuserUrl: string; readonly data: string; readonly spool: string } | undefined;
  readonly committer: Pick<Committer, 'record'>;
  readonly keyGeneration: () => Promise<number | null>;
  /** Opens the way to new backup keys; closed again after each. `first`: no backup was ever made here. */
  readonly openKeys: (first: boolean) => Promise<BackupKeys>;
  readonly now: () => Date;
  /** Default 4 GiB. */
  readonly spoolBytesMax?: number;
  readonly log: Log;
  readonly alerts: Pick<AlertBus, 'raise'>;
}

/** WAL that waits in the home for a target that is away; more is dropped, and the next backup is a base. */
const spoolBytesMax = 4_294_967_296;
/** Each try may end a segment of 16 MiB, or read a database for nothing. */
const retrySecondsMax = 600;

export type BaseKind = Exclude<SetKind, 'tail'>;

export interface BackupReport {
  readonly set: string;
  readonly kind: BaseKind;
  readonly database: 'embedded' | 'outside';
  readonly coveredUntil: string;
  readonly files: number;
  /** Octets read, and octets that were written to the target for them. */
  readonly readBytes: number;
  readonly storedBytes: number;
}

export interface Backups {
  /**
   * Makes a set that stands alone; an incremental one becomes full where there is none before it.
   * @throws PostsealError `backup.busy`, `backup.archive-stalled`, `key.unavailable`, `home.disk-full`.
   */
  run(
    kind: BaseKind,
    actor: Actor,
    onProgress: (done: number, total: number) => void,
  ): Promise<BackupReport>;
  /** Puts what is new into the target; answers until when it reaches, undefined before the first base. */
  ship(): Promise<Date | undefined>;
  start(): void;
  /** Ships once more. */
  stop(): Promise<void>;
}

export async function openBackups(deps: BackupsDeps): Promise<Backups> {
  const { embedded } = deps;
  const database =
    embedded === undefined
      ? undefined
      : await openDatabase({ url: embedded.superuserUrl, poolMax: 1, name: 'postseal backup' });
  return new NodeBackups(deps, database, await readState(deps.home, deps.target));
}

class NodeBackups implements Backups {
  readonly #deps: BackupsDeps;
  readonly #database: Database | undefined;
  #state: BackupState | undefined;
  #needsBase: boolean;
  #key: BackupKey | undefined;
  #running: Promise<void> | undefined;
  /** Tails, and the ends of bases, one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  readonly #stopping = new AbortController();
  #loop: Promise<void> | undefined;

  constructor(deps: BackupsDeps, database: Database | undefined, state: BackupState | undefined) {
    this.#deps = deps;
    this.#database = database;
    this.#state = state;
    this.#needsBase = state === undefined;
  }

  async run(
    asked: BaseKind,
    actor: Actor,
    onProgress: (done: number, total: number) => void,
  ): Promise<BackupReport> {
    if (this.#running !== undefined) throw new PostsealError('backup.busy');
    let ended: () => void = () => undefined;
    this.#running = new Promise((resolve) => (ended = resolve));
    const { committer } = this.#deps;
    try {
      await this.#checkTarget();
      const kind = this.#needsBase ? 'full' : asked;
      const about = { actor, objects: [] } as const;
      const started = { op: 'backup.started', outcome: 'success', ...about } as const;
      await committer.record({ ...started, fields: { kind } });
      try {
        const report = await this.#makeBase(kind, onProgress);
        const { set, files, storedBytes } = report;
        const fields = { kind, set, files, storedBytes };
        await committer.record({ op: 'backup.ended', outcome: 'success', ...about, fields });
        return report;
      } catch (error) {
        const code = error instanceof PostsealError ? error.code : 'internal';
        const fields = { kind, code };
        // What made it fail is what must be told, also where no event can be written.
        await committer
          .record({ op: 'backup.ended', outcome: 'failure', ...about, fields })
          .catch((late: unknown) => this.#deps.log.warn('backup.ship.failed', { error: late }));
        throw error;
      }
    } finally {
      this.#running = undefined;
      ended();
    }
  }

  ship(): Promise<Date | undefined> {
    return this.#inTurn(async () => {
      await this.#checkTarget();
      const before = this.#state;
      if (before === undefined || this.#needsBase) return undefined;
      const createdAt = this.#deps.now();
      const writer = await this.#writer(() => undefined);
      try {
        const tail = await takeTail(this.#tailDeps(), before, writer);
        if (!tail.unbroken) this.#needsBase = true;
        await writer.close();
        const { pieces } = tail;
        const made = { kind: 'tail', createdAt, tail, wal: null, folders: [], pieces } as const;
        const { coveredUntil } = await this.#publish(made);
        // After a gap nothing reaches a restore before there is a new base, whatever was shipped.
        return tail.unbroken ? new Date(coveredUntil) : undefined;
      } finally {
        await writer.abandon();
      }
    });
  }

  start(): void {
    this.#loop = this.#goOn();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    await this.#running;
    try {
      await this.ship();
    } catch (error) {
      // What is not shipped waits in the home; the server stops all the same.
      await this.#fallBehind(error);
    } finally {
      this.#key?.key.fill(0);
      await this.#database?.close();
    }
  }

  async #goOn(): Promise<void> {
    const { shipSeconds } = this.#deps;
    const { signal } = this.#stopping;
    let seconds = shipSeconds;
    while (!signal.aborted) {
      try {
        await this.#checkTarget();
        if (this.#needsBase && this.#running === undefined) {
          await this.run('full', systemActor, () => undefined);
        } else await this.ship();
        seconds = shipSeconds;
      } catch (error) {
        if (!this.#stopping.signal.aborted) await this.#fallBehind(error);
        seconds = Math.min(seconds * 2, retrySecondsMax);
      }
      // An abort only means that we stop; the loop's condition sees it.
      await sleep(seconds * 1000, undefined, { signal }).catch(() => undefined);
    }
  }

  async #fallBehind(error: unknown): Promise<void> {
    const { log, alerts, embedded } = this.#deps;
    log.warn('backup.ship.failed', { error });
    const cause = error instanceof PostsealError ? error.code : 'internal';
    alerts.raise({ code: 'backup.behind', fields: { cause } });
    // A base that is copied needs what came since its start.
    if (embedded === undefined || this.#running !== undefined) return;
    try {
      const max = this.#deps.spoolBytesMax ?? spoolBytesMax;
      if (await dropSpool(embedded.spool, max)) this.#needsBase = true;
    } catch (late) {
      log.warn('backup.ship.failed', { error: late });
    }
  }

  #throwIfStopping(): void {
    if (this.#stopping.signal.aborted) {
      throw new PostsealError('store.aborted', { reason: 'the server stops' });
    }
  }

  /** A target that was exchanged holds no base for what comes next; one that is away keeps its line. */
  async #checkTarget(): Promise<void> {
    if (this.#state === undefined || (await hasSet(this.#state.lastPath))) return;
    this.#needsBase = true;
    this.#state = undefined;
  }

  async #makeBase(
    kind: BaseKind,
    onProgress: (done: number, total: number) => void,
  ): Promise<BackupReport> {
    const createdAt = this.#deps.now();
    if (kind === 'full') await this.#newKey();
    let readBytes = 0;
    let total = 0;
    const writer = await this.#writer((bytes) => {
      readBytes += bytes;
      total = Math.max(total, readBytes);
      this.#throwIfStopping();
      onProgress(readBytes, total);
    });
    try {
      const base = await this.#copyDatabase(kind, writer, (bytes) => (total = bytes));
      return await this.#inTurn(async () => {
        const before = this.#stillThere();
        const tail = await takeTail(this.#tailDeps(), before, writer, base.wal?.start);
        await writer.close();
        if (!tail.unbroken) throw new PostsealError('backup.archive-gap');
        const pieces = [...base.pieces, ...tail.pieces];
        const { folders, wal } = base;
        const set = await this.#publish({ kind, createdAt, tail, wal, folders, pieces });
        this.#needsBase = false;
        const { coveredUntil, database, files } = set;
        const storedBytes = writer.stored;
        return { set: set.set, kind, database, coveredUntil, files, readBytes, storedBytes };
      });
    } finally {
      await writer.abandon();
    }
  }

  /** What a new base may build on: nothing where WAL is missing, but for bytes that do not need it. */
  #stillThere(): BackupState | undefined {
    const state = this.#state;
    if (state === undefined || !this.#needsBase) return state;
    const pieces = new Map([...state.pieces].filter(([name]) => !name.startsWith('wal/')));
    return { ...state, lastSegment: undefined, pieces };
  }

  async #copyDatabase(
    kind: BaseKind,
    writer: PieceWriter,
    onTotal: (bytes: number) => void,
  ): Promise<Base> {
    const { embedded } = this.#deps;
    if (embedded === undefined || this.#database === undefined) {
      return { pieces: [], folders: [], wal: null };
    }
    // The server ends the backup by itself when this connection ends.
    const client = await this.#database.connect('base');
    try {
      const start = await startBaseBackup(client, 'postseal');
      const { files, folders } = await listDataFiles(embedded.data);
      onTotal(files.reduce((sum, { bytes }) => sum + bytes, 0));
      const known = (path: string): readonly Piece[] =>
        kind === 'full' ? [] : piecesOf(this.#state, 'database', path);
      const pieces = await copyDataFiles(embedded.data, files, writer, known);
      const label = await stopBaseBackup(client);
      pieces.push(await writer.addBytes('database', 'backup_label', Buffer.from(label)));
      return { pieces, folders, wal: { start, label } };
    } finally {
      await client.end();
    }
  }

  /** Writes set and state; from then on the set is what the next one hangs on. */
  async #publish(made: NewSet): Promise<BackupSet & { readonly files: number }> {
    const { home, target, organisation, node, version, embedded } = this.#deps;
    const { kind, createdAt, tail, wal, folders } = made;
    const before = this.#state;
    const pieces = kind === 'tail' ? made.pieces : await this.#allPieces(made);
    const writer = await SealedWriter.create({
      ...{ kind: 'set', organisation, key: await this.#currentKey() },
      pathOf: (id) => setPath(target, id, createdAt),
    });
    const set: BackupSet = {
      ...{ format: setFormat, set: writer.id, kind, version, node, organisation, folders, wal },
      base: kind === 'tail' ? (before?.base ?? '') : writer.id,
      previous: kind === 'tail' ? (before?.last ?? '') : null,
      keyGeneration: await this.#deps.keyGeneration(),
      createdAt: createdAt.toISOString(),
      coveredUntil: reachOfTail(tail, before?.coveredUntil),
      database: embedded === undefined ? 'outside' : 'embedded',
      ledger: tail.ledger,
      pieces,
    };
    await writer.finishWith(Buffer.from(JSON.stringify(set)));
    const step = {
      ...{ base: set.base, last: set.set, lastPath: setPath(target, set.set, createdAt) },
      ...{ previous: before?.last ?? '', lastSegment: tail.lastSegment },
      ...{ coveredUntil: set.coveredUntil, pieces },
    };
    const state =
      kind === 'tail' && before !== undefined
        ? afterStep(before, step)
        : firstState(target, kind, step);
    if (kind === 'tail') await writeStep(home, step);
    else await writeState(home, state);
    this.#state = state;
    if (embedded !== undefined) await emptySpool(embedded.spool, state);
    return { ...set, files: state.pieces.size };
  }

  /** A base names everything that is still needed: no packs that are gone, no WAL from before it. */
  async #allPieces({ wal, pieces }: NewSet): Promise<readonly Piece[]> {
    const packs = await packPaths(this.#deps.home);
    const before = this.#stillThere();
    const kept = [...(before?.pieces.values() ?? [])].flat().filter(({ area, path }) => {
      if (area === 'database') return false;
      if (area === 'packs') return packs.has(path);
      return area !== 'wal' || isHistory(path) || path >= (wal?.start ?? '');
    });
    return [...withPieces([kept], pieces).values()].flat();
  }

  #tailDeps() {
    const { home, embedded, now } = this.#deps;
    const client = this.#database?.pool;
    const wal =
      embedded === undefined || client === undefined
        ? undefined
        : { spool: embedded.spool, client };
    return { home, now, wal };
  }

  async #writer(onBytes: (bytes: number) => void): Promise<PieceWriter> {
    const { target, organisation } = this.#deps;
    return new PieceWriter({ target, organisation, key: await this.#currentKey(), onBytes });
  }

  async #currentKey(): Promise<BackupKey> {
    return this.#key ?? this.#newKey();
  }

  async #newKey(): Promise<BackupKey> {
    const keys = await this.#deps.openKeys(this.#state === undefined);
    try {
      // One that is replaced may still be sealing a tail; it goes with that.
      this.#key = await keys.make();
      return this.#key;
    } finally {
      await keys.close();
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work, work);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }
}
