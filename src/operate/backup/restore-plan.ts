// Which pieces of which sets make a home again, now or as it was at an instant. Pure.
import { PostsealError } from '../../kernel/errors.ts';
import { type Line, reachOf } from './read-sets.ts';
import { type BackupSet, foldPieces, type Piece } from './set.ts';

export interface RestorePlan {
  readonly base: BackupSet;
  /** The newest set that is used. */
  readonly last: BackupSet;
  /** To which instant the database is recovered; undefined: to the end of the WAL. */
  readonly at: Date | undefined;
  readonly coveredUntil: string;
  readonly folders: readonly string[];
  readonly files: ReadonlyMap<string, readonly Piece[]>;
}

/** `sets`: every one that can be read, oldest first. @throws PostsealError `restore.no-backup`, `restore.not-reached`. */
export function planRestore(
  lines: readonly Line[],
  at: Date | undefined,
  sets: readonly BackupSet[],
): RestorePlan {
  const isBefore = ({ coveredUntil }: BackupSet): boolean =>
    at === undefined || Date.parse(coveredUntil) <= at.getTime();
  const from = lines.findLastIndex(({ base }) => isBefore(base));
  const line = lines[from];
  if (line === undefined) {
    const first = lines[0]?.base.coveredUntil;
    throw new PostsealError('restore.no-backup', first === undefined ? {} : { first });
  }
  // What lies between the last tail of a line and the next base is in that base.
  const sequence = lines.slice(from).flatMap(({ base, tails }) => [base, ...tails]);
  const covers = sequence.findIndex((set) => !isBefore(set));
  if (at !== undefined && covers < 0) {
    throw new PostsealError('restore.not-reached', { reaches: reachOf(lines.at(-1) ?? line) });
  }
  const used = covers < 0 ? sequence : sequence.slice(0, covers + 1);
  const pieces = used.flatMap((set) =>
    set.pieces.filter(({ area }) =>
      area === 'database' ? set === line.base : area === 'wal' || area === 'packs',
    ),
  );
  // The ledger is the newest there is, whatever instant the database is recovered to: it is rolled forward.
  const published = sets.flatMap((set) =>
    set.pieces.filter(({ area }) => area === 'ledger' || area === 'home'),
  );
  const last = used.at(-1) ?? line.base;
  return {
    ...{
      base: line.base,
      last,
      at,
      folders: line.base.folders,
      files: foldPieces([...pieces, ...published]),
    },
    coveredUntil: at?.toISOString() ?? last.coveredUntil,
  };
}
