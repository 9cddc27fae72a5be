// A message that is a recipe of shared parts (docs/formats/recipe.md), put together piece by piece with bounded
// memory.
import type { OpenedBody } from './body.ts';
import { Refused } from './refused.ts';

const headBytes = 20;
const entryBytes = 40;
const lineEnds = ['', '\n', '\r\n'] as const;

const refuse = (what: string): Refused => new Refused('recipe', 'format', what);

interface Piece {
  readonly kind: number;
  readonly length: number;
  readonly partLength: number;
  readonly part: string;
  readonly lineLength: number;
  readonly lineEnd: string;
}

function uuidOf(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function count(entry: Buffer, at: number): number {
  const value = Number(entry.readBigUInt64BE(at));
  if (!Number.isSafeInteger(value)) throw refuse('a length');
  return value;
}

function readPiece(entry: Buffer): Piece {
  const kind = entry.readUInt8(0);
  const lineEnd = lineEnds[entry.readUInt8(1)];
  const lineLength = entry.readUInt16BE(2);
  const length = count(entry, 8);
  const partLength = count(entry, 16);
  const part = uuidOf(entry.subarray(24));
  if (kind > 2 || lineEnd === undefined || length < 1 || entry.readUInt32BE(4) !== 0) {
    throw refuse('piece');
  }
  if (kind === 0 && entry.subarray(24).some((byte) => byte !== 0))
    throw refuse('part of a literal');
  if (kind < 2 && (partLength !== length || lineEnd !== '' || lineLength !== 0)) {
    throw refuse('piece');
  }
  if (lineLength > 0 !== (lineEnd !== '') || lineLength % 4 !== 0) throw refuse('lines');
  const characters = 4 * Math.ceil(partLength / 3);
  const breaks = lineLength === 0 ? 0 : Math.max(0, Math.ceil(characters / lineLength) - 1);
  if (kind === 2 && length !== characters + breaks * lineEnd.length)
    throw refuse('length of a text');
  return { kind, length, partLength, part, lineLength, lineEnd };
}

/** Chunks of a body, taken in any amounts. */
class Taker {
  readonly #chunks: Generator<Buffer>;
  #left: Buffer = Buffer.alloc(0);

  constructor(body: OpenedBody) {
    this.#chunks = body.chunks();
  }

  *take(length: number): Generator<Buffer> {
    for (let open = length; open > 0;) {
      if (this.#left.length === 0) {
        const next = this.#chunks.next();
        if (next.done === true) throw refuse('length');
        this.#left = next.value;
      }
      const piece = this.#left.subarray(0, open);
      this.#left = this.#left.subarray(piece.length);
      open -= piece.length;
      yield piece;
    }
  }

  all(length: number): Buffer {
    return Buffer.concat([...this.take(length)]);
  }
}

function readTable(taker: Taker, total: number): Piece[] {
  if (total < headBytes) throw refuse('length');
  const head = taker.all(headBytes);
  if (head.toString('latin1', 0, 4) !== 'PSRC') throw refuse('magic');
  if (head[4] !== 1) throw refuse('version');
  const pieces = head.readUInt16BE(16);
  if (pieces < 1 || pieces > 255) throw refuse('piece count');
  if (head.readUIntBE(5, 3) !== 0 || head.readUInt16BE(18) !== 0) throw refuse('zero octets');
  const table = headBytes + entryBytes * pieces;
  if (total < table) throw refuse('length');
  const read = Array.from({ length: pieces }, () => readPiece(taker.all(entryBytes)));
  const sum = (of: readonly Piece[]): number => of.reduce((n, { length }) => n + length, 0);
  if (sum(read) !== count(head, 8)) throw refuse('message length');
  if (table + sum(read.filter(({ kind }) => kind === 0)) !== total) throw refuse('literal length');
  return read;
}

function* base64Of(part: OpenedBody, { lineLength, lineEnd }: Piece): Generator<Buffer> {
  const perLine = lineLength === 0 ? 3 : (lineLength / 4) * 3;
  let held: Buffer = Buffer.alloc(0);
  let first = true;
  const text = (plain: Buffer): Buffer => {
    const characters = plain.toString('base64');
    if (lineLength === 0) return Buffer.from(characters);
    const lines = characters.match(new RegExp(`.{1,${lineLength}}`, 'g')) ?? [];
    const joined = `${first ? '' : lineEnd}${lines.join(lineEnd)}`;
    first = false;
    return Buffer.from(joined);
  };
  for (const chunk of part.chunks()) {
    held = Buffer.concat([held, chunk]);
    const whole = held.length - (held.length % perLine);
    if (whole > 0) yield text(held.subarray(0, whole));
    held = held.subarray(whole);
  }
  if (held.length > 0) yield text(held);
}

/** The message of the recipe in `own`; `openPart` gives the parts that it names. @throws Refused. */
export function openRecipe(own: OpenedBody, openPart: (content: string) => OpenedBody): OpenedBody {
  const pieces = readTable(new Taker(own), own.size);
  const parts = new Map<string, OpenedBody>();
  for (const { kind, part, partLength } of pieces) {
    if (kind === 0) continue;
    const opened = parts.get(part) ?? openPart(part);
    parts.set(part, opened);
    if (opened.size !== partLength)
      throw new Refused('recipe', 'identity', 'another size of a part');
  }
  return {
    size: pieces.reduce((n, { length }) => n + length, 0),
    recipe: false,
    *chunks() {
      const taker = new Taker(own);
      readTable(taker, own.size);
      for (const piece of pieces) {
        const part = parts.get(piece.part);
        if (piece.kind === 0 || part === undefined) yield* taker.take(piece.length);
        else if (piece.kind === 1) yield* part.chunks();
        else yield* base64Of(part, piece);
      }
    },
    close: () => {
      own.close();
      for (const part of parts.values()) part.close();
    },
  };
}
