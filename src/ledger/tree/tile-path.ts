// Names of tiles and entry bundles: c2sp.org/tlog-tiles "Merkle Tree" and "Log entries". Pure.

/** Hashes in a full tile, entries in a full bundle. */
export const tileWidth = 256;

/** A tile of hashes at a level of 0..63, or a bundle of entries beside the tile of level 0. */
export interface TileRef {
  readonly level: number | 'entries';
  readonly index: number;
  /** 1..256; below 256 the tile is partial. */
  readonly width: number;
}

/** `tile/0/x001/x234/067` or `tile/entries/000.p/17`, relative to the ledger's folder. */
export function tilePath(tile: TileRef): string {
  const partial = tile.width === tileWidth ? '' : `.p/${tile.width}`;
  return `tile/${tile.level}/${indexPath(tile.index)}${partial}`;
}

/** 1234067 -> `x001/x234/067`. */
export function indexPath(index: number): string {
  const groups: string[] = [];
  let rest = index;
  do {
    groups.unshift(`${groups.length === 0 ? '' : 'x'}${String(rest % 1000).padStart(3, '0')}`);
    rest = Math.floor(rest / 1000);
  } while (rest > 0);
  return groups.join('/');
}

/** The inverse of `indexPath`; `undefined` for any other text. */
export function parseIndexPath(path: string): number | undefined {
  if (!/^(x\d{3}\/)*\d{3}$/.test(path)) return undefined;
  const index = Number(path.replaceAll('x', '').replaceAll('/', ''));
  return Number.isSafeInteger(index) && indexPath(index) === path ? index : undefined;
}

/** The inverse of `tilePath`; `undefined` for any other text. */
export function parseTilePath(path: string): TileRef | undefined {
  const match = /^tile\/(entries|\d{1,2})\/([x\d/]+?)(?:\.p\/(\d{1,3}))?$/.exec(path);
  if (match === null) return undefined;
  const [, level = '', indexText = '', widthText] = match;
  const index = parseIndexPath(indexText);
  if (index === undefined) return undefined;
  const width = widthText === undefined ? tileWidth : Number(widthText);
  const tile: TileRef = { level: level === 'entries' ? level : Number(level), index, width };
  return width > 0 && tilePath(tile) === path ? tile : undefined;
}

/** Hashes that the tile at (level, index) holds in a tree of `size`: 0..256. */
export function widthInTree(level: number, index: number, size: number): number {
  const hashes = Math.floor(size / tileWidth ** level);
  return Math.max(0, Math.min(tileWidth, hashes - index * tileWidth));
}

/** The partial tiles and the partial bundle that a checkpoint of `size` needs. */
export function partialTiles(size: number): TileRef[] {
  const out: TileRef[] = [];
  for (
    let level = 0, hashes = size;
    hashes > 0;
    level += 1, hashes = Math.floor(hashes / tileWidth)
  ) {
    const width = hashes % tileWidth;
    const index = Math.floor(hashes / tileWidth);
    if (width === 0) continue;
    out.push({ level, index, width });
    if (level === 0) out.push({ level: 'entries', index, width });
  }
  return out;
}
