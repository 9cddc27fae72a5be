// Tiles, bundles and checkpoints on disk: HOME/ledger in the layout of c2sp.org/tlog-tiles.
// Source of truth: docs/formats/ledger.md "Files".
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { IntegrityError } from '../../kernel/errors.ts';
import { hashBytes } from '../tree/hashes.ts';
import { type GetTile, tilesNeeded } from '../tree/proofs.ts';
import {
  indexPath,
  partialTiles,
  type TileRef,
  tilePath,
  tileWidth,
  widthInTree,
} from '../tree/tile-path.ts';
import { writeDurable } from './durable-file.ts';

export interface TileFiles {
  readonly dir: string;
  /** Bytes of a tile or bundle: the exact width, or else the full one (partials may be gone). */
  read(tile: TileRef): Promise<Buffer | undefined>;
  /** Durable when resolved. */
  write(tiles: readonly (TileRef & { readonly bytes: Uint8Array })[]): Promise<void>;
  /** The signed note of the newest published checkpoint. */
  readCheckpoint(): Promise<Buffer | undefined>;
  /** Publishes a note; `keep` also files it under checkpoints/. Durable when resolved. */
  writeCheckpoint(note: string, size: number, keep: boolean): Promise<void>;
  /** The log's public key, DER; undefined before its first checkpoint. */
  readPublicKey(): Promise<Buffer | undefined>;
  /**
   * Files the signing key as `public-key.der` at the first time; later it must be the same.
   * Throws `IntegrityError` if it is another.
   */
  keepPublicKey(spki: Uint8Array): Promise<void>;
  /**
   * Drops the partial tiles and bundles of those that were partial at `before` and are full at `now`;
   * until then every published checkpoint keeps its own.
   */
  dropPartials(before: number, now: number): Promise<void>;
}

export function openTileFiles(dir: string): TileFiles {
  const at = (path: string) => join(dir, path);
  return {
    dir,
    read: async (tile) =>
      (await readIfThere(at(tilePath(tile)))) ??
      (tile.width === tileWidth
        ? undefined
        : await readIfThere(at(tilePath({ ...tile, width: tileWidth })))),
    write: (tiles) =>
      writeDurable(tiles.map((tile) => ({ path: at(tilePath(tile)), bytes: tile.bytes }))),
    readCheckpoint: () => readIfThere(at('checkpoint')),
    async writeCheckpoint(note, size, keep) {
      const bytes = Buffer.from(note, 'utf8');
      if (keep) await writeDurable([{ path: at(checkpointPath(size)), bytes }]);
      await writeDurable([{ path: at('checkpoint'), bytes }]);
    },
    readPublicKey: () => readIfThere(at('public-key.der')),
    async keepPublicKey(spki) {
      const kept = await readIfThere(at('public-key.der'));
      if (kept === undefined) {
        await writeDurable([{ path: at('public-key.der'), bytes: spki }]);
      } else if (!kept.equals(spki)) {
        throw new IntegrityError('integrity.ledger', {
          place: 'public-key.der',
          what: 'another key',
        });
      }
    },
    async dropPartials(before, now) {
      for (const { level, index } of partialTiles(before)) {
        if (widthInTree(level === 'entries' ? 0 : level, index, now) < tileWidth) continue;
        await rm(at(`${tilePath({ level, index, width: tileWidth })}.p`), {
          recursive: true,
          force: true,
        });
      }
    },
  };
}

/** Where the history keeps the checkpoint of a size, relative to the ledger's folder. */
export function checkpointPath(size: number): string {
  return `checkpoints/${indexPath(size)}`;
}

/**
 * Runs a pure computation of tree/proofs.ts over the files: loads the tiles it needs, then runs it.
 * Throws `IntegrityError` naming the tile that is missing or too short.
 */
export async function overTiles<T>(
  files: Pick<TileFiles, 'read'>,
  run: (getTile: GetTile) => T,
): Promise<T> {
  const loaded = new Map<string, Uint8Array>();
  await Promise.all(
    tilesNeeded(run).map(async (tile) => {
      const bytes = await files.read(tile);
      if (bytes === undefined || bytes.length < tile.width * hashBytes) {
        throw new IntegrityError('integrity.ledger', { place: tilePath(tile), what: 'missing' });
      }
      loaded.set(`${tile.level}/${tile.index}`, bytes);
    }),
  );
  return run((level, index, width) => {
    const bytes = loaded.get(`${level}/${index}`);
    if (bytes === undefined) throw new RangeError('the tile was not loaded');
    return bytes.subarray(0, width * hashBytes);
  });
}

/** `undefined` if there is no such file. */
export async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    // ENOTDIR: a shorter index has taken the name; for the reader that is the same as absent.
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return undefined;
    throw error;
  }
}
