// One look at everything that grows: what is not in the target yet goes there, in the order that keeps a restore
// whole (docs/formats/backup.md "Order of taking").
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PostsealError } from '../../kernel/errors.ts';
import { parseCheckpointText } from '../../ledger/checkpoint/checkpoint.ts';
import type { Queryable } from '../../platform/postgres/statement.ts';
import { type BackupState, piecesOf } from './backup-state.ts';
import { closeSegment } from './base-backup.store.ts';
import { homeFiles, newLedgerFiles, newPackBytes, readOptional } from './new-files.ts';
import type { PieceWriter } from './piece-writer.ts';
import { lengthOf, type Piece, type SetLedger } from './set.ts';
import { continues, isHistory, isSegment } from './wal-name.ts';

export interface TailDeps {
  readonly home: string;
  /** Folder of finished segments, and a connection of the superuser; undefined for a database outside. */
  readonly wal: { readonly spool: string; readonly client: Queryable } | undefined;
  readonly now: () => Date;
}

export interface Tail {
  readonly coveredUntil: Date;
  readonly ledger: SetLedger | null;
  readonly pieces: readonly Piece[];
  /** Newest segment in the target after this. */
  readonly lastSegment: string | undefined;
  /** False where segments are missing: what came after them needs a new base. */
  readonly unbroken: boolean;
}

/** RFC 3339; a tail without its WAL reaches no further than what came before it. */
export function reachOfTail(tail: Tail, before: string | undefined): string {
  if (tail.unbroken) return tail.coveredUntil.toISOString();
  return before ?? new Date(0).toISOString();
}

const archiveWaitMs = 45_000;
const archivePollMs = 20;
const staleMs = 3_600_000;
/** A tile may be replaced by a fuller one while it is read. */
const ledgerTries = 5;

/** `from`: first segment that is wanted where none is in the target yet. */
export async function takeTail(
  deps: TailDeps,
  state: BackupState | undefined,
  writer: PieceWriter,
  from?: string,
): Promise<Tail> {
  const { home } = deps;
  const signer = await readOptional(join(home, 'signer/state'));
  const checkpoint = await readOptional(join(home, 'ledger/checkpoint'));
  const coveredUntil = deps.now();
  const closed = await closeWal(deps, state?.lastSegment);
  const pieces: Piece[] = [];
  const shipped = (path: string): number => lengthOf(piecesOf(state, 'packs', path));
  for (const place of await newPackBytes(home, shipped)) {
    pieces.push(...(await writer.addFile(place)));
  }
  pieces.push(...(await addLedger(home, state, writer)));
  for (const path of homeFiles) {
    const bytes = path === 'signer/state' ? signer : await readOptional(join(home, path));
    if (bytes !== undefined) pieces.push(await writer.addBytes('home', path, bytes));
  }
  if (checkpoint !== undefined) {
    pieces.push(await writer.addBytes('ledger', 'checkpoint', checkpoint));
  }
  const wal = await addWal(deps, { state, writer, closed, from });
  pieces.push(...wal.pieces);
  const { lastSegment, unbroken } = wal;
  return { coveredUntil, ledger: ledgerOf(checkpoint), pieces, lastSegment, unbroken };
}

interface ClosedWal {
  readonly names: readonly string[];
  readonly segmentBytes: number;
}

/** Closes the segment of now, waits until it is in the spool or was taken (`last`), and lists what is there. */
async function closeWal({ wal }: TailDeps, last = ''): Promise<ClosedWal> {
  if (wal === undefined) return { names: [], segmentBytes: 0 };
  const { segment, segmentBytes } = await closeSegment(wal.client);
  const until = performance.now() + archiveWaitMs;
  for (;;) {
    const names = (await readdir(wal.spool)).filter((name) => isSegment(name) || isHistory(name));
    // PostgreSQL archives in order, so all before it are there or were there.
    if (last >= segment || names.some((name) => name >= segment && isSegment(name))) {
      return { names: names.sort(), segmentBytes };
    }
    if (performance.now() > until) throw new PostsealError('backup.archive-stalled', { segment });
    await sleep(archivePollMs);
  }
}

async function addWal(
  { wal }: TailDeps,
  at: {
    readonly state: BackupState | undefined;
    readonly writer: PieceWriter;
    readonly closed: ClosedWal;
    readonly from: string | undefined;
  },
): Promise<Pick<Tail, 'pieces' | 'lastSegment' | 'unbroken'>> {
  const { state, writer, closed, from } = at;
  const last = state?.lastSegment;
  if (wal === undefined) return { pieces: [], lastSegment: undefined, unbroken: true };
  const first = from ?? '';
  const isNew = (name: string): boolean =>
    isHistory(name) || (name > (last ?? '') && (last !== undefined || name >= first));
  const names = closed.names.filter(isNew);
  const segments = names.filter(isSegment);
  const begins = last !== undefined || from === undefined || segments[0] === from;
  const unbroken = begins && continues(last, segments, closed.segmentBytes);
  const pieces: Piece[] = [];
  for (const path of unbroken ? names : []) {
    pieces.push(...(await writer.addFile({ area: 'wal', path, file: join(wal.spool, path) })));
  }
  return { pieces, lastSegment: unbroken ? (segments.at(-1) ?? last) : last, unbroken };
}

/** Takes away what the target has; a spool that keeps it would fill the disk. */
export async function emptySpool(spool: string, state: BackupState): Promise<void> {
  const last = state.lastSegment ?? '';
  for (const name of await readdir(spool)) {
    if (name.startsWith('archtemp.')) await dropStale(join(spool, name));
    const done = isSegment(name)
      ? name <= last
      : // Says when a base backup was made; the set says so too.
        /^[0-9A-F]{24}\.[0-9A-F]{8}\.backup$/.test(name) ||
        (isHistory(name) && state.pieces.has(`wal/${name}`));
    if (done) await rm(join(spool, name), { force: true });
  }
}

/** What the archiver was writing when the server died; of now it is younger. */
async function dropStale(path: string): Promise<void> {
  const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Infinity }));
  if (Date.now() - mtimeMs > staleMs) await rm(path, { force: true });
}

/** Empties a spool that has grown beyond `bytesMax`; answers whether it did. The next backup must be a base. */
export async function dropSpool(spool: string, bytesMax: number): Promise<boolean> {
  const names = (await readdir(spool)).filter(isSegment);
  let bytes = 0;
  for (const name of names) bytes += (await stat(join(spool, name))).size;
  if (bytes <= bytesMax) return false;
  for (const name of names) await rm(join(spool, name), { force: true });
  return true;
}

async function addLedger(
  home: string,
  state: BackupState | undefined,
  writer: PieceWriter,
): Promise<Piece[]> {
  const taken = new Map<string, readonly Piece[]>();
  for (let tries = 1; ; tries += 1) {
    const shipped = (path: string): boolean =>
      taken.has(path) || piecesOf(state, 'ledger', path).length > 0;
    let gone = 0;
    for (const place of await newLedgerFiles(home, shipped)) {
      try {
        taken.set(place.path, await writer.addFile(place));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || tries === ledgerTries)
          throw error;
        gone += 1;
      }
    }
    // A partial tile goes when the full one is there, which this look may have missed.
    if (gone === 0) return [...taken.values()].flat();
  }
}

function ledgerOf(checkpoint: Buffer | undefined): SetLedger | null {
  if (checkpoint === undefined) return null;
  const text = checkpoint.toString('utf8').split('\n').slice(0, 3).join('\n');
  const known = parseCheckpointText(`${text}\n`);
  if (known === undefined) return null;
  return { origin: known.origin, size: known.size, root: known.root.toString('base64') };
}
