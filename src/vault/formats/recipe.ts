// A recipe: how a message is put together from literal octets and from parts that messages share
// (docs/formats/recipe.md). It is the plaintext of a body of version 2. Pure.
import { concatBytes, equalBytes } from '../../kernel/bytes.ts';
import { assert } from '../../kernel/errors.ts';
import type { ContentId } from '../../kernel/ids.ts';
import { uuidFromBytes, uuidToBytes } from '../../kernel/ids.ts';
import { type Base64Form, base64LineMax, base64TextLength } from '../../mime/base64-lines.ts';
import { ascii, isZero, readU16, readU32, readU64, readU8, writeU16, writeU64 } from './binary.ts';
import { formatFailure } from './failure.ts';

/** A run of octets of the message. */
export type RecipePiece =
  /** Its octets stand in the recipe itself. */
  | { readonly kind: 'literal'; readonly length: number }
  /** All octets of a part, as they are. */
  | { readonly kind: 'octets'; readonly length: number; readonly part: ContentId }
  /** The base64 text of all octets of a part. */
  | {
      readonly kind: 'base64';
      readonly length: number;
      readonly part: ContentId;
      readonly partLength: number;
      readonly form: Base64Form;
    };

export interface Recipe {
  /** Octets of the message. */
  readonly length: number;
  readonly pieces: readonly RecipePiece[];
  /** Where the first literal octet stands. */
  readonly literalsFrom: number;
}

export const recipePiecesMax = 255;
export const recipeHeadBytes = 20;
const entryBytes = 40;
/** As much of a recipe as `decodeRecipe` can need. */
export const recipeTableBytesMax = recipeHeadBytes + entryBytes * recipePiecesMax;

const magic = ascii('PSRC');
const version = 1;
const kinds = ['literal', 'octets', 'base64'] as const;
const lineEnds = ['', '\n', '\r\n'] as const;
const noPart = new Uint8Array(16);

/** `literals`: octets of the literal pieces in their order. */
export function encodeRecipe(
  pieces: readonly RecipePiece[],
  literals: readonly Uint8Array[],
): Uint8Array {
  assert(pieces.length >= 1 && pieces.length <= recipePiecesMax, 'pieces of a recipe');
  const head = new Uint8Array(recipeHeadBytes + entryBytes * pieces.length);
  head.set(magic, 0);
  head[4] = version;
  writeU64(
    head,
    8,
    pieces.reduce((sum, { length }) => sum + length, 0),
  );
  writeU16(head, 16, pieces.length);
  pieces.forEach((piece, i) => {
    const at = recipeHeadBytes + entryBytes * i;
    head[at] = kinds.indexOf(piece.kind);
    writeU64(head, at + 8, piece.length);
    writeU64(head, at + 16, piece.kind === 'base64' ? piece.partLength : piece.length);
    if (piece.kind !== 'literal') head.set(uuidToBytes(piece.part), at + 24);
    if (piece.kind !== 'base64') return;
    head[at + 1] = lineEnds.indexOf(piece.form.lineEnd);
    writeU16(head, at + 2, piece.form.lineLength);
  });
  return concatBytes([head, ...literals]);
}

/**
 * Reads the table of a recipe. `start`: its first `recipeTableBytesMax` octets, or all of it; `total`: octets of
 * all of it. @throws IntegrityError `format`.
 */
export function decodeRecipe(start: Uint8Array, total: number): Recipe {
  if (start.length < recipeHeadBytes) throw refuse('length');
  if (!equalBytes(start.subarray(0, 4), magic)) throw refuse('magic');
  if (readU8(start, 4) !== version) throw refuse('version');
  const count = readU16(start, 16);
  if (count < 1 || count > recipePiecesMax) throw refuse('piece count');
  if (!isZero(start.subarray(5, 8)) || !isZero(start.subarray(18, 20))) throw refuse('zero octets');
  const literalsFrom = recipeHeadBytes + entryBytes * count;
  if (start.length < literalsFrom) throw refuse('length');
  const pieces = Array.from({ length: count }, (_, i) =>
    readPiece(start.subarray(recipeHeadBytes + entryBytes * i).subarray(0, entryBytes)),
  );
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  if (length !== readU64(start, 8)) throw refuse('message length');
  const literal = pieces.reduce(
    (sum, { kind, length: n }) => sum + (kind === 'literal' ? n : 0),
    0,
  );
  if (literalsFrom + literal !== total) throw refuse('literal length');
  return { length, pieces, literalsFrom };
}

function readPiece(entry: Uint8Array): RecipePiece {
  const kind = kinds[readU8(entry, 0)];
  const lineEnd = lineEnds[readU8(entry, 1)];
  const lineLength = readU16(entry, 2);
  const length = readU64(entry, 8) ?? 0;
  const partLength = readU64(entry, 16) ?? 0;
  const id = entry.subarray(24, 40);
  if (kind === undefined || lineEnd === undefined || length < 1) throw refuse('piece');
  if (readU32(entry, 4) !== 0) throw refuse('zero octets');
  if (kind === 'literal' && !equalBytes(id, noPart)) throw refuse('part of a literal');
  if (kind !== 'base64') {
    if (partLength !== length || lineEnd !== '' || lineLength !== 0) throw refuse('piece');
    if (kind === 'literal') return { kind, length };
    return { kind, length, part: uuidFromBytes(id) as ContentId };
  }
  const form = { lineLength, lineEnd };
  const lines = lineLength > 0;
  if (lines !== (lineEnd !== '') || lineLength % 4 !== 0 || lineLength > base64LineMax) {
    throw refuse('lines');
  }
  if (base64TextLength(form, partLength) !== length) throw refuse('length of a text');
  return { kind, length, part: uuidFromBytes(id) as ContentId, partLength, form };
}

const refuse = (what: string) => formatFailure('recipe', 'format', what);
