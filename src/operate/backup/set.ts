// What a set says, and how pieces become files again: docs/formats/backup.md "Set".
import { formatFailure } from '../../vault/formats/failure.ts';

export const setFormat = 'postseal/backup/1';

export const areas = ['database', 'wal', 'packs', 'ledger', 'home'] as const;
export type Area = (typeof areas)[number];
export const setKinds = ['full', 'incremental', 'tail'] as const;
export type SetKind = (typeof setKinds)[number];

/** The bytes `from..from + length` of a file are those at `at` of an object. */
export interface Piece {
  readonly area: Area;
  readonly path: string;
  readonly from: number;
  readonly length: number;
  readonly object: string;
  readonly at: number;
  readonly sha256: string;
}

export interface SetLedger {
  readonly origin: string;
  readonly size: number;
  /** Base64, as in the checkpoint. */
  readonly root: string;
}

export interface BackupSet {
  readonly format: typeof setFormat;
  readonly set: string;
  readonly kind: SetKind;
  readonly base: string;
  readonly previous: string | null;
  readonly version: string;
  readonly node: string;
  readonly organisation: string;
  readonly keyGeneration: number | null;
  readonly createdAt: string;
  readonly coveredUntil: string;
  readonly database: 'embedded' | 'outside';
  readonly ledger: SetLedger | null;
  readonly wal: { readonly start: string; readonly label: string } | null;
  readonly folders: readonly string[];
  readonly pieces: readonly Piece[];
}

const safePath = /^(?!.*(?:^|\/)\.{1,2}(?:\/|$))[^/\0\\][^\0\\]*$/;

/** @throws IntegrityError `integrity.format`. The tag was checked before, so this is about versions. */
export function decodeSet(bytes: Uint8Array): BackupSet {
  const refuse = (what: string): never => {
    throw formatFailure('backup', 'format', what);
  };
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw formatFailure('backup', 'format', 'set', cause);
  }
  if (typeof value !== 'object' || value === null) throw formatFailure('backup', 'format', 'set');
  const set = value as BackupSet;
  const format: string = set.format;
  if (format !== setFormat) refuse('version of the set');
  if (!setKinds.includes(set.kind)) refuse('kind of the set');
  if (!Array.isArray(set.pieces) || !Array.isArray(set.folders)) refuse('pieces');
  for (const piece of set.pieces) {
    if (!areas.includes(piece.area) || !safePath.test(piece.path)) refuse('path of a piece');
    const numbers = [piece.from, piece.length, piece.at];
    if (numbers.some((n) => !Number.isSafeInteger(n) || n < 0)) refuse('place of a piece');
  }
  if (set.folders.some((folder) => !safePath.test(folder))) refuse('folder');
  return set;
}

/** `area/path` of a piece's file. */
export function fileOf(piece: Pick<Piece, 'area' | 'path'>): string {
  return `${piece.area}/${piece.path}`;
}

/**
 * By file: the pieces that it is made of, after all that came later; `before` stays as it is.
 * @throws IntegrityError for a gap.
 */
export function foldPieces(
  pieces: Iterable<Piece>,
  before: ReadonlyMap<string, readonly Piece[]> = new Map(),
): Map<string, readonly Piece[]> {
  const files = new Map(before);
  const grown = new Map<string, Piece[]>();
  for (const piece of pieces) {
    const name = fileOf(piece);
    const known = files.get(name);
    if (piece.from === 0 || known === undefined) {
      if (piece.from !== 0) throw formatFailure('backup', 'format', 'a piece without a beginning');
      const begun = [piece];
      files.set(name, begun);
      grown.set(name, begun);
      continue;
    }
    if (lengthOf(known) !== piece.from) throw formatFailure('backup', 'format', 'a gap');
    const own = grown.get(name) ?? [...known];
    own.push(piece);
    files.set(name, own);
    grown.set(name, own);
  }
  return files;
}

/** Octets of the file that these pieces make. */
export function lengthOf(pieces: readonly Piece[]): number {
  const last = pieces.at(-1);
  return last === undefined ? 0 : last.from + last.length;
}
