// What a home knows of its backup: which pieces lie in the target. In the clear in HOME/backup/state.json, since
// whoever reads the home needs no list of its files; without it the next backup is a full one.
import { join } from 'node:path';
import { readIfThere } from '../../ledger/tiles/tile-files.ts';
import { writeDurable } from '../../ledger/tiles/durable-file.ts';
import { type Area, fileOf, foldPieces, type Piece, type SetKind } from './set.ts';

const format = 'postseal/backup-state/1';

export interface BackupState {
  readonly target: string;
  /** Newest full or incremental set, and the newest set at all, which hangs on it. */
  readonly base: string;
  readonly baseKind: SetKind;
  readonly last: string;
  /** File name of the newest set in the target. */
  readonly lastPath: string;
  /** Newest WAL segment in the target. */
  readonly lastSegment: string | undefined;
  readonly pieces: ReadonlyMap<string, readonly Piece[]>;
}

interface StoredState extends Omit<BackupState, 'pieces' | 'lastSegment'> {
  readonly format: string;
  readonly lastSegment?: string;
  readonly pieces: readonly Piece[];
}

function statePath(home: string): string {
  return join(home, 'backup', 'state.json');
}

/** Undefined where there is none, or none of this target: then everything begins anew. */
export async function readState(home: string, target: string): Promise<BackupState | undefined> {
  const bytes = await readIfThere(statePath(home));
  if (bytes === undefined) return undefined;
  const stored = JSON.parse(bytes.toString('utf8')) as StoredState;
  if (stored.format !== format || stored.target !== target) return undefined;
  const { base, baseKind, last, lastPath, lastSegment } = stored;
  const pieces = foldPieces(stored.pieces);
  return { target, base, baseKind, last, lastPath, lastSegment, pieces };
}

export async function writeState(home: string, state: BackupState): Promise<void> {
  const stored = { format, ...state, pieces: [...state.pieces.values()].flat() };
  const bytes = Buffer.from(`${JSON.stringify(stored)}\n`, 'utf8');
  await writeDurable([{ path: statePath(home), bytes }]);
}

export function piecesOf(
  state: BackupState | undefined,
  area: Area,
  path: string,
): readonly Piece[] {
  return state?.pieces.get(fileOf({ area, path })) ?? [];
}

/** All pieces of a state and then those of a new set. */
export function withPieces(
  before: Iterable<readonly Piece[]>,
  added: readonly Piece[],
): Map<string, Piece[]> {
  return foldPieces([...[...before].flat(), ...added]);
}
