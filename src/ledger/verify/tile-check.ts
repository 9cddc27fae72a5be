// Compares tiles and bundles on disk with what the leaves of the database give, byte by byte.
// Source of truth: docs/formats/ledger.md "Files".
import { join, relative } from 'node:path';
import { readIfThere, type TileFiles } from '../tiles/tile-files.ts';
import { decodeBundle, encodeBundle } from '../tree/entry-bundle.ts';
import { hashBytes, leafHash } from '../tree/hashes.ts';
import { parseTilePath, type TileRef, tilePath, tileWidth } from '../tree/tile-path.ts';
import { TileStack } from '../tree/tile-stack.ts';
import type { Findings } from './finding.ts';
import { walkFiles } from './walk-files.ts';

export class TileCheck {
  readonly stack = new TileStack();
  tiles = 0;
  bundles = 0;
  readonly #files: TileFiles;
  readonly #findings: Findings;
  /** Size of the published checkpoint: everything below must be on disk. */
  readonly #published: number;
  #bodies: (Buffer | undefined)[] = [];
  /** The tile and the bundle that were read last for a damaged row. */
  readonly #held: Partial<
    Record<'tile' | 'bundle', { readonly index: number; readonly bytes: Buffer | undefined }>
  > = {};

  constructor(files: TileFiles, published: number, findings: Findings) {
    this.#files = files;
    this.#published = published;
    this.#findings = findings;
  }

  /** The hash that the tile of level 0 has for a leaf: a third witness when a row contradicts itself. */
  async hashOnDisk(seq: number): Promise<Buffer | undefined> {
    const tile = await this.#onDisk('tile', 0, seq);
    const at = (seq % tileWidth) * hashBytes;
    const hash = tile?.subarray(at, at + hashBytes);
    return hash?.length === hashBytes ? hash : undefined;
  }

  /** The leaf that the bundle has, if it is the one of `hash`: what a damaged row once held. */
  async bodyOnDisk(seq: number, hash: Buffer): Promise<Buffer | undefined> {
    const bundle = await this.#onDisk('bundle', 'entries', seq);
    const body = bundle === undefined ? undefined : decodeBundle(bundle)?.[seq % tileWidth];
    return body !== undefined && leafHash(body).equals(hash) ? body : undefined;
  }

  async #onDisk(
    kind: 'tile' | 'bundle',
    level: 0 | 'entries',
    seq: number,
  ): Promise<Buffer | undefined> {
    const index = Math.floor(seq / tileWidth);
    const held = this.#held[kind];
    if (held?.index === index) return held.bytes;
    const width = Math.min(tileWidth, this.#published - index * tileWidth);
    const bytes = width > 0 ? await this.#files.read({ level, index, width }) : undefined;
    this.#held[kind] = { index, bytes };
    return bytes;
  }

  /** Takes the next leaf; `body` is missing where the row has none. */
  async append(hash: Buffer, body: Buffer | undefined): Promise<void> {
    this.#bodies.push(body);
    for (const { level, index, hashes } of this.stack.append(hash)) {
      this.tiles += 1;
      await this.#compare({ level, index, width: tileWidth }, hashes, this.stack.size);
    }
    if (this.#bodies.length === tileWidth) await this.#compareBundle(tileWidth);
    if (this.stack.size === this.#published) await this.#comparePartials();
  }

  async #comparePartials(): Promise<void> {
    for (
      let level = 0, hashes = this.stack.size;
      hashes > 0;
      level += 1, hashes = Math.floor(hashes / tileWidth)
    ) {
      const bytes = this.stack.partial(level);
      const index = Math.floor(hashes / tileWidth);
      if (bytes.length === 0) continue;
      this.tiles += 1;
      await this.#compare(
        { level, index, width: bytes.length / hashBytes },
        bytes,
        this.stack.size,
      );
    }
    if (this.#bodies.length > 0) await this.#compareBundle(this.#bodies.length);
  }

  async #compareBundle(width: number): Promise<void> {
    const index = Math.floor((this.stack.size - 1) / tileWidth);
    this.bundles += 1;
    const tile: TileRef = { level: 'entries', index, width };
    const bodies = this.#bodies.filter((body) => body !== undefined);
    // A row without its body is a finding of its own; the rest of the bundle cannot be told from it.
    if (bodies.length === width) await this.#compare(tile, encodeBundle(bodies), this.stack.size);
    if (width === tileWidth) this.#bodies = [];
  }

  async #compare(tile: TileRef, expected: Buffer, end: number): Promise<void> {
    const found = await this.#files.read(tile);
    if (found === undefined) {
      if (end <= this.#published) this.#findings.add(tilePath(tile), 'missing');
      return;
    }
    // A partial tile may have grown into a full one since the checkpoint.
    const grown = tile.width < tileWidth && found.length > expected.length;
    const bytes = grown ? found.subarray(0, expected.length) : found;
    if (!bytes.equals(expected))
      this.#findings.add(tilePath(tile), 'bytes', firstDifference(bytes, expected, tile));
  }

  /** Files that no leaf asked for: partial tiles of older checkpoints must be beginnings of newer ones. */
  async strays(): Promise<void> {
    for await (const path of walkFiles(join(this.#files.dir, 'tile'))) {
      const place = relative(this.#files.dir, path);
      const tile = parseTilePath(place);
      if (place.endsWith('.new')) this.#findings.note(place, 'left over');
      else if (tile === undefined) this.#findings.add(place, 'unexpected file');
      else if (tile.width < tileWidth) await this.#strayPartial(tile, path, place);
      else if (this.#beyond(tile)) this.#findings.note(place, 'beyond the ledger');
    }
  }

  async #strayPartial(tile: TileRef, path: string, place: string): Promise<void> {
    const found = await readIfThere(path);
    const whole = await this.#whole(tile);
    if (found === undefined) return;
    if (whole === undefined || whole.length < found.length) {
      this.#findings.note(place, 'beyond the ledger');
    } else if (tile.level !== 'entries' && found.length !== tile.width * hashBytes) {
      this.#findings.add(place, 'length');
    } else if (!whole.subarray(0, found.length).equals(found)) {
      this.#findings.add(place, 'bytes', firstDifference(found, whole, tile));
    }
  }

  /** What the newest version of a partial tile holds; `undefined` beyond the leaves that were read. */
  async #whole(tile: TileRef): Promise<Buffer | undefined> {
    const level = tile.level === 'entries' ? 0 : tile.level;
    const edge = Math.floor(this.stack.size / tileWidth ** (level + 1));
    if (tile.index < edge) return this.#files.read({ ...tile, width: tileWidth });
    if (tile.index > edge) return undefined;
    if (tile.level !== 'entries') return this.stack.partial(tile.level);
    const bodies = this.#bodies.filter((body) => body !== undefined);
    return bodies.length === this.#bodies.length ? encodeBundle(bodies) : undefined;
  }

  #beyond(tile: TileRef): boolean {
    const leaves = tileWidth ** (tile.level === 'entries' ? 1 : tile.level + 1);
    return (tile.index + 1) * leaves > this.stack.size;
  }
}

function firstDifference(found: Buffer, expected: Buffer, tile: TileRef): string {
  let at = 0;
  while (at < found.length && found[at] === expected[at]) at += 1;
  if (tile.level === 'entries') return `byte ${at} of ${found.length}`;
  const leaves = tileWidth ** tile.level;
  const first = (tile.index * tileWidth + Math.floor(at / hashBytes)) * leaves;
  return `byte ${at} of ${found.length}, leaves from ${first}`;
}
