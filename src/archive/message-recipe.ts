// A message as a recipe of shared parts (docs/formats/recipe.md): the parts that must find their content first, and
// the recipe once they have. Made only for a message whose bytes are not stored yet.
import { createHmac, hkdfSync, type KeyObject, randomBytes, randomUUID } from 'node:crypto';
import { PostsealError } from '../kernel/errors.ts';
import type { ContentId } from '../kernel/ids.ts';
import type { MessageStructure } from '../mime/part.ts';
import { encodeBase64Lines } from '../mime/base64-lines.ts';
import { sealBody } from '../vault/formats/body.ts';
import type { BodyForm } from '../vault/formats/body-header.ts';
import { encodeRecipe, type RecipePiece } from '../vault/formats/recipe.ts';
import type { BodyStore } from '../vault/packs/body-store.ts';
import { type CutPiece, cutMessage } from './cut-message.ts';
import type { PartOfBody, SealedBody } from './record-draft.ts';

/** A part of a message on its way in. */
export interface PartSource {
  /** HMAC-SHA256 of its octets under the part key. */
  readonly tag: Buffer;
  /** Octets. */
  readonly size: number;
  readonly seal: () => SealedBody;
}

export interface MessageRecipe {
  /** Each once, whatever how often the message has it. */
  readonly parts: readonly PartSource[];
  /** `chosen`: the contents of `parts` in their order. */
  seal(chosen: readonly ContentId[]): SealedBody;
}

const partLabel = 'postseal/dedup/part/1';

/** The key of part tags: never equal to a tag of a message, nor made by anybody from tags. */
export function partTagKey(dedupKey: KeyObject): Buffer {
  return Buffer.from(hkdfSync('sha256', dedupKey, '', partLabel, 32));
}

/** The recipe of a message of `bytes`; undefined where it has no large part, or is not what comes out. */
export function recipeOf(
  store: BodyStore,
  dedupKey: KeyObject,
  structure: MessageStructure,
  bytes: Uint8Array,
): MessageRecipe | undefined {
  const pieces = cutMessage(structure, bytes);
  if (pieces === undefined || !isMessage(pieces, bytes)) return undefined;
  const key = partTagKey(dedupKey);
  const parts: PartSource[] = [];
  const places = new Map<string, number>();
  const placeOf = pieces.map((piece) => {
    if (piece.kind === 'literal') return -1;
    const tag = createHmac('sha256', key).update(piece.bytes).digest();
    const known = places.get(tag.toString('latin1'));
    if (known !== undefined) return known;
    places.set(tag.toString('latin1'), parts.length);
    const seal = (): SealedBody => sealSmall(store, piece.bytes);
    return parts.push({ tag, size: piece.bytes.length, seal }) - 1;
  });
  key.fill(0);
  return {
    parts,
    seal: (chosen) => {
      const idOf = (i: number): ContentId => present(chosen[placeOf[i] ?? -1]);
      const table = pieces.map((piece, i) => recipePiece(piece, () => idOf(i)));
      const literals = pieces.flatMap(({ kind, bytes: own }) => (kind === 'literal' ? [own] : []));
      const uses = parts.map(({ tag }, i) => ({ tag, contentId: present(chosen[i]) }));
      return sealSmall(store, encodeRecipe(table, literals), 'recipe', uses);
    },
  };
}

/** Puts the message together as a reader does, and compares: whatever went wrong in cutting ends here. */
function isMessage(pieces: readonly CutPiece[], bytes: Uint8Array): boolean {
  let at = 0;
  for (const piece of pieces) {
    const text = piece.kind === 'base64' ? encodeBase64Lines(piece.form, piece.bytes) : piece.bytes;
    const there = bytes.subarray(at, at + text.length);
    if (Buffer.compare(there, text) !== 0) return false;
    at += text.length;
  }
  return at === bytes.length;
}

function recipePiece(piece: CutPiece, part: () => ContentId): RecipePiece {
  const { length } = piece.bytes;
  if (piece.kind === 'literal') return { kind: 'literal', length };
  if (piece.kind === 'octets') return { kind: 'octets', length, part: part() };
  const { length: textLength, form } = piece;
  return { kind: 'base64', length: textLength, part: part(), partLength: length, form };
}

/** Seals under a fresh key and a fresh id: both serve this one attempt. */
export function sealSmall(
  store: BodyStore,
  bytes: Uint8Array,
  form: BodyForm = 'octets',
  parts: readonly PartOfBody[] = [],
): SealedBody {
  const contentId = randomUUID() as ContentId;
  const dek = randomBytes(32);
  const place = store.append(
    { objectId: contentId },
    sealBody(dek, contentId, bytes, 'zstd', form),
  );
  return {
    contentId,
    place,
    dek,
    large: false,
    parts,
    holders: new Set(),
    stored: false,
    // It shares its pack; what nothing refers to is an orphan until compaction.
    discard: () => Promise.resolve(),
  };
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new PostsealError('internal', { what: 'a part without content' });
  return value;
}
