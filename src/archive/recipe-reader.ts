// Reads ranges of a message that is stored as a recipe (docs/formats/recipe.md): literal octets from the recipe's
// own body, the rest from the bodies of its parts, which are opened when a range first needs them.
import { IntegrityError } from '../kernel/errors.ts';
import type { ContentId } from '../kernel/ids.ts';
import { encodeBase64Lines, plainRangeOf } from '../mime/base64-lines.ts';
import {
  decodeRecipe,
  type Recipe,
  type RecipePiece,
  recipeTableBytesMax,
} from '../vault/formats/recipe.ts';
import type { BodyReader } from './types.ts';

/** Opens a part's body. Called once a part and reader. @throws IntegrityError. */
export type OpenPart = (part: ContentId) => Promise<BodyReader>;

interface PlacedPiece {
  readonly piece: RecipePiece;
  /** Of its first octet in the message. */
  readonly from: number;
  /** Of a literal's first octet in the recipe. */
  readonly literalFrom: number;
}

/** Octets of the message that one step puts together. */
const stepBytes = 1_048_576;

/**
 * Takes over `own`, the reader of the recipe's body. `forget` is called when it is closed.
 * @throws IntegrityError for a recipe that is none.
 */
export async function openRecipeReader(
  own: BodyReader,
  openPart: OpenPart,
  forget: () => void,
): Promise<BodyReader> {
  const start = await own.read(0, Math.min(recipeTableBytesMax, own.size));
  return new RecipeReader(own, decodeRecipe(start, own.size), openPart, forget);
}

class RecipeReader implements BodyReader {
  readonly size: number;
  readonly #own: BodyReader;
  readonly #pieces: readonly PlacedPiece[];
  readonly #openPart: OpenPart;
  readonly #forget: () => void;
  readonly #parts = new Map<ContentId, Promise<BodyReader>>();

  constructor(own: BodyReader, recipe: Recipe, openPart: OpenPart, forget: () => void) {
    this.size = recipe.length;
    this.#own = own;
    this.#openPart = openPart;
    this.#forget = forget;
    let from = 0;
    let literalFrom = recipe.literalsFrom;
    this.#pieces = recipe.pieces.map((piece) => {
      const placed = { piece, from, literalFrom };
      from += piece.length;
      if (piece.kind === 'literal') literalFrom += piece.length;
      return placed;
    });
  }

  async read(from: number, to: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for await (const piece of this.stream(from, to)) pieces.push(piece);
    const [only] = pieces;
    return pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces);
  }

  async *stream(from = 0, to = this.size): AsyncGenerator<Buffer> {
    const end = Math.min(to, this.size);
    for (const placed of this.#pieces) {
      const { piece } = placed;
      const last = Math.min(end - placed.from, piece.length);
      for (let at = Math.max(0, from - placed.from); at < last;) {
        const next = Math.min(last, at + stepBytes);
        yield await this.#read(placed, at, next);
        at = next;
      }
    }
  }

  close(): void {
    this.#own.close();
    for (const part of this.#parts.values()) {
      // One that did not open has nothing to close, and whoever asked for it was told.
      part.then((reader) => reader.close()).catch(() => undefined);
    }
    this.#forget();
  }

  /** Octets of one piece. */
  async #read({ piece, literalFrom }: PlacedPiece, from: number, to: number): Promise<Buffer> {
    if (piece.kind === 'literal') return this.#own.read(literalFrom + from, literalFrom + to);
    const part = await this.#part(piece);
    if (piece.kind === 'octets') return part.read(from, to);
    const range = plainRangeOf(piece.form, from, to);
    const plain = await part.read(range.from, Math.min(range.to, piece.partLength));
    const text = encodeBase64Lines(piece.form, plain);
    // A range may begin or end within the line end behind its last line, which the next line's text has not.
    const missing = to - range.textFrom - text.length;
    const whole =
      missing > 0 ? Buffer.concat([text, Buffer.from(piece.form.lineEnd.slice(0, missing))]) : text;
    return whole.subarray(from - range.textFrom, to - range.textFrom);
  }

  async #part(piece: Exclude<RecipePiece, { kind: 'literal' }>): Promise<BodyReader> {
    let opening = this.#parts.get(piece.part);
    if (opening === undefined) {
      opening = this.#openPart(piece.part);
      this.#parts.set(piece.part, opening);
    }
    const reader = await opening;
    const length = piece.kind === 'base64' ? piece.partLength : piece.length;
    if (reader.size === length) return reader;
    throw new IntegrityError('integrity.pack', { content: piece.part, what: 'size' });
  }
}
