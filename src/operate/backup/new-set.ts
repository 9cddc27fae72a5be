// A set that is about to be written: what was taken for it, and the copy of a database that it may begin with.
import type { BackupSet, Piece, SetKind } from './set.ts';
import type { Tail } from './take-tail.ts';

export interface NewSet {
  readonly kind: SetKind;
  readonly createdAt: Date;
  readonly tail: Tail;
  readonly wal: BackupSet['wal'];
  readonly folders: readonly string[];
  readonly pieces: readonly Piece[];
}

export interface Base {
  readonly pieces: readonly Piece[];
  readonly folders: readonly string[];
  readonly wal: BackupSet['wal'];
}
