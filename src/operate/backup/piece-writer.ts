// Puts the bytes of files into objects, one behind the other, and tells where each piece lies.
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import type { OrganisationId } from '../../kernel/ids.ts';
import type { BackupKey } from './backup-keys.ts';
import { SealedWriter, sliceBytes } from './sealed-writer.ts';
import type { Area, Piece } from './set.ts';
import { objectPath } from './target.ts';

/** A longer file becomes several pieces; an object is closed when it has as much. */
const pieceBytesMax = 67_108_864;

export interface PieceWriterOptions {
  readonly target: string;
  readonly organisation: OrganisationId;
  readonly key: BackupKey;
  /** Octets read from a file; what it throws ends the work. */
  readonly onBytes?: (bytes: number) => void;
  /** Default 64 MiB. */
  readonly pieceBytes?: number;
}

export interface FilePlace {
  readonly area: Area;
  readonly path: string;
  /** Where the file is now. */
  readonly file: string;
  /** First octet; default 0. */
  readonly from?: number;
  /** Octet behind the last; default: as far as the file goes. */
  readonly to?: number;
  /** The piece that an earlier backup has at this place. */
  readonly known?: (from: number) => Piece | undefined;
}

export class PieceWriter {
  readonly #options: PieceWriterOptions;
  readonly #pieceBytes: number;
  #object: SealedWriter | undefined;
  #stored = 0;

  constructor(options: PieceWriterOptions) {
    this.#options = options;
    this.#pieceBytes = options.pieceBytes ?? pieceBytesMax;
  }

  /** Octets of the objects that are finished. */
  get stored(): number {
    return this.#stored;
  }

  async addBytes(area: Area, path: string, bytes: Uint8Array): Promise<Piece> {
    const object = await this.#current();
    const at = object.plainLength;
    await object.write(bytes);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return { area, path, from: 0, length: bytes.length, object: object.id, at, sha256 };
  }

  /** @throws the system's error where the file is gone. An empty file is one empty piece. */
  async addFile(place: FilePlace): Promise<Piece[]> {
    const file = await open(place.file, 'r');
    try {
      const pieces: Piece[] = [];
      const end = place.to ?? Infinity;
      for (let from = place.from ?? 0; ;) {
        const to = Math.min(end, from + this.#pieceBytes);
        const piece = await this.#addPiece(file, place, from, to);
        if (piece.length > 0 || from === 0) pieces.push(piece);
        from += piece.length;
        if (piece.length === 0 || from < to || from >= end) return pieces;
      }
    } finally {
      await file.close();
    }
  }

  /** Everything that was added is durable when it returns. */
  async close(): Promise<void> {
    if (this.#object !== undefined) this.#stored += await this.#object.finish();
    this.#object = undefined;
  }

  async abandon(): Promise<void> {
    await this.#object?.abandon();
    this.#object = undefined;
  }

  async #addPiece(
    file: FileHandle,
    { area, path, known }: FilePlace,
    from: number,
    to: number,
  ): Promise<Piece> {
    const before = known?.(from);
    if (before !== undefined && (await sameBytes(file, before, to))) return before;
    const object = await this.#current();
    const at = object.plainLength;
    const digest = createHash('sha256');
    for await (const bytes of slices(file, from, to)) {
      digest.update(bytes);
      await object.write(bytes);
      this.#options.onBytes?.(bytes.length);
    }
    const length = object.plainLength - at;
    return { area, path, from, length, object: object.id, at, sha256: digest.digest('hex') };
  }

  async #current(): Promise<SealedWriter> {
    if (this.#object !== undefined && this.#object.plainLength >= this.#pieceBytes)
      await this.close();
    const { target, organisation, key } = this.#options;
    this.#object ??= await SealedWriter.create({
      ...{ kind: 'object', organisation, key },
      pathOf: (id) => objectPath(target, id),
    });
    return this.#object;
  }
}

/** Whether the file has at this place what the piece has, and the place ends where the piece does. */
async function sameBytes(file: FileHandle, piece: Piece, to: number): Promise<boolean> {
  const digest = createHash('sha256');
  let length = 0;
  for await (const bytes of slices(file, piece.from, to)) {
    digest.update(bytes);
    length += bytes.length;
    if (length > piece.length) return false;
  }
  return length === piece.length && digest.digest('hex') === piece.sha256;
}

/** Ends where the file does. */
async function* slices(file: FileHandle, from: number, to: number): AsyncGenerator<Buffer> {
  for (let at = from; at < to;) {
    const buffer = Buffer.alloc(Math.min(sliceBytes, to - at));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
