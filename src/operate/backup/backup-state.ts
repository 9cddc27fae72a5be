// What a home knows of its backup: which pieces lie in the target. In the clear in HOME/backup, since whoever reads
// the home needs no list of its files; without it the next backup is a full one. `state.json` is whole at every base
// and at every start; each tail adds one line to `state.log`, so that a tail costs what is new and not what there is.
import { open, rm } from 'node:fs/promises';
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
  /** Everything acknowledged before this instant is in the target (RFC 3339). */
  readonly coveredUntil?: string | undefined;
  readonly pieces: ReadonlyMap<string, readonly Piece[]>;
}

/** What a tail changes. */
export type StateStep = Pick<
  BackupState,
  'base' | 'last' | 'lastPath' | 'lastSegment' | 'coveredUntil'
> & { readonly previous: string; readonly pieces: readonly Piece[] };

type StoredState = Omit<BackupState, 'pieces'> & {
  readonly format: string;
  readonly pieces: readonly Piece[];
};

const statePath = (home: string): string => join(home, 'backup', 'state.json');
const logPath = (home: string): string => join(home, 'backup', 'state.log');

/** Undefined where there is none, or none of this target: then everything begins anew. */
export async function readState(home: string, target: string): Promise<BackupState | undefined> {
  const bytes = await readIfThere(statePath(home));
  if (bytes === undefined) return undefined;
  const { format: found, pieces, ...stored } = JSON.parse(bytes.toString('utf8')) as StoredState;
  if (found !== format || stored.target !== target) return undefined;
  const log = await readIfThere(logPath(home));
  let state: BackupState = { ...stored, pieces: foldPieces(pieces) };
  if (log === undefined) return state;
  for (const step of stepsOf(log.toString('utf8'))) {
    // A line from before the whole state was written is in it.
    if (step.previous === state.last) state = afterStep(state, step);
  }
  // A line that was cut short must not lie before the next one.
  await writeState(home, state);
  return state;
}

/** A last line without its end is of a tail that did not count. */
function stepsOf(text: string): StateStep[] {
  const lines = text.split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as StateStep);
}

/** The whole state; steps of before are in it. */
export async function writeState(home: string, state: BackupState): Promise<void> {
  const stored = { format, ...state, pieces: [...state.pieces.values()].flat() };
  const bytes = Buffer.from(`${JSON.stringify(stored)}\n`, 'utf8');
  await writeDurable([{ path: statePath(home), bytes }]);
  await rm(logPath(home), { force: true });
}

/** Durable when it resolves. */
export async function writeStep(home: string, step: StateStep): Promise<void> {
  const file = await open(logPath(home), 'a', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(step)}\n`);
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** The state that a base leaves; what was before it is in its set. */
export function firstState(target: string, baseKind: SetKind, step: StateStep): BackupState {
  const { base, last, lastPath, lastSegment, coveredUntil } = step;
  const own = { target, base, baseKind, last, lastPath, lastSegment, coveredUntil };
  return { ...own, pieces: foldPieces(step.pieces) };
}

export function afterStep(state: BackupState, step: StateStep): BackupState {
  const { base, last, lastPath, lastSegment, coveredUntil } = step;
  const pieces = foldPieces(step.pieces, state.pieces);
  return { ...state, base, last, lastPath, lastSegment, coveredUntil, pieces };
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
): Map<string, readonly Piece[]> {
  return foldPieces([...[...before].flat(), ...added]);
}
