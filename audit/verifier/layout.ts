// Where what lies (docs/formats/ledger.md "Files"): index paths, tiles, bundles, and which names belong
// to a ledger folder at all.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export const tileWidth = 256;

/** 1234067 -> `x001/x234/067`. */
export function indexPath(n: number): string {
  const digits = String(n);
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, '0');
  const groups = padded.match(/\d{3}/g) ?? [];
  return groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join('/');
}

/** Number of an index path, or undefined if it is not written as `indexPath` would. */
export function indexOf(path: string): number | undefined {
  if (!/^(x\d{3}\/)*\d{3}$/.test(path)) return undefined;
  const n = Number(path.replaceAll('x', '').replaceAll('/', ''));
  return indexPath(n) === path ? n : undefined;
}

export interface TileName {
  readonly level: number | 'entries';
  readonly index: number;
  /** Hashes or leaves in it; 256 for a full one. */
  readonly width: number;
}

export const tilePath = ({ level, index, width }: TileName): string => {
  const path = `tile/${level}/${indexPath(index)}`;
  return width === tileWidth ? path : `${path}.p/${width}`;
};

/** The tile of this path, or undefined if it is no tile's. */
export function tileOf(path: string): TileName | undefined {
  const found = /^tile\/(entries|0|[1-9]\d?)\/((?:x\d{3}\/)*\d{3})(?:\.p\/([1-9]\d{0,2}))?$/.exec(
    path,
  );
  const [, level = '', at = '', partial] = found ?? [];
  const index = found === null ? undefined : indexOf(at);
  const width = partial === undefined ? tileWidth : Number(partial);
  if (index === undefined || (partial !== undefined && width >= tileWidth)) return undefined;
  return { level: level === 'entries' ? level : Number(level), index, width };
}

/** Every file below `dir`, relative, with forward slashes; left-overs of crashes are not listed. */
export function listFiles(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => statSync(join(dir, name)).isFile())
    .filter((name) => !name.endsWith('.new'))
    .sort();
}

/** The file's bytes, or undefined if there is none. */
export function readIfThere(dir: string, name: string): Buffer | undefined {
  try {
    return readFileSync(join(dir, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Tile or bundle of at least `width`: the exact one, a wider one, or the full one. */
export function readAtLeast(dir: string, tile: TileName): Buffer | undefined {
  const full = readIfThere(dir, tilePath({ ...tile, width: tileWidth }));
  if (full !== undefined) return full;
  for (let width = tile.width; width < tileWidth; width += 1) {
    const bytes = readIfThere(dir, tilePath({ ...tile, width }));
    if (bytes !== undefined) return bytes;
  }
  return undefined;
}

/** Leaves of a bundle in order, or undefined if its lengths do not add up. */
export function bundleLeaves(bytes: Buffer): Buffer[] | undefined {
  const leaves: Buffer[] = [];
  let at = 0;
  while (at + 2 <= bytes.length) {
    const end = at + 2 + bytes.readUInt16BE(at);
    if (end > bytes.length) return undefined;
    leaves.push(bytes.subarray(at + 2, end));
    at = end;
  }
  return at === bytes.length ? leaves : undefined;
}
