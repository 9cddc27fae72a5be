// Full check of a ledger folder from its files alone (docs/formats/ledger.md "Verification from files
// alone"). Reads bundle by bundle: memory grows with numbers of processes, not with leaves.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeCanonical, type Json } from './canonical.ts';
import { CannotRun, type Finding } from './finding.ts';
import { chainHash, chainStart, digest, GrowingTree, leafHash, nodeHash } from './hashes.ts';
import {
  bundleLeaves,
  indexOf,
  listFiles,
  readAtLeast,
  readIfThere,
  tileOf,
  tilePath,
  tileWidth,
} from './layout.ts';
import { wrongMember } from './leaf-shape.ts';
import { type Checkpoint, type LogKey, openCheckpoint } from './note.ts';
import { BootNumbers } from './numbers.ts';

export interface DirectoryReport {
  readonly verdict: 'clean' | 'tampered';
  readonly origin: string;
  readonly size: number;
  readonly root: string;
  readonly chain: string;
  readonly checkpoints: number;
  readonly tiles: number;
  readonly boots: number;
  readonly findings: readonly Finding[];
  /** Worth a look, but no tampering. */
  readonly notices: readonly Finding[];
}

const findingsMax = 100;
const settleMs = 60_000;
const silenceMs = 150_000;

class DirectoryCheck {
  readonly findings: Finding[] = [];
  readonly notices: Finding[] = [];
  readonly numbers = new BootNumbers();
  readonly #dir: string;
  readonly #key: LogKey;
  readonly #newest: Checkpoint;
  readonly #tree = new GrowingTree();
  /** Hashes of the tile that grows at each level, and the number of full tiles before it. */
  readonly #levels: { hashes: Buffer[]; full: number }[] = [];
  readonly #kept: Map<number, { readonly name: string; readonly root: Buffer }[]>;
  readonly #chains = new Map<number, Buffer>();
  readonly #lastOfBoot = new Map<string, number>();
  #chain: Buffer = chainStart;
  #lastMs = 0;
  tiles = 0;
  checkpoints = 0;

  constructor(dir: string, key: LogKey, newest: Checkpoint) {
    this.#dir = dir;
    this.#key = key;
    this.#newest = newest;
    this.#kept = this.#readKept();
  }

  find(place: string, what: string): void {
    if (this.findings.length < findingsMax) this.findings.push({ place, what });
  }

  run(): { root: Buffer; chain: Buffer } {
    const { size } = this.#newest;
    this.#compareRoots(0);
    for (let n = 0; n * tileWidth < size; n += 1)
      this.#bundle(n, Math.min(tileWidth, size - n * tileWidth));
    for (let level = 0; level < this.#levels.length; level += 1) this.#partialTile(level);
    const root = this.#tree.root();
    if (!root.equals(this.#newest.root))
      this.find('checkpoint', 'the root is not that of the leaves');
    for (const gap of this.numbers.gaps()) {
      const list = gap.before > this.#lastMs - settleMs ? this.notices : this.findings;
      list.push({ place: gap.place, what: gap.what });
    }
    this.#names();
    return { root, chain: this.#chain };
  }

  #readKept(): Map<number, { readonly name: string; readonly root: Buffer }[]> {
    const kept = new Map<number, { name: string; root: Buffer }[]>();
    for (const name of listFiles(this.#dir).filter((file) => file.startsWith('checkpoints/'))) {
      const opened = openCheckpoint(readFileSync(join(this.#dir, name)), this.#key);
      this.checkpoints += 1;
      if (typeof opened === 'string') this.find(name, opened);
      else if (opened.origin !== this.#newest.origin) this.find(name, 'another origin');
      else if (indexOf(name.slice('checkpoints/'.length)) !== opened.size)
        this.find(name, 'size is not its name');
      else kept.set(opened.size, [...(kept.get(opened.size) ?? []), { name, root: opened.root }]);
    }
    const ahead = [...kept.keys()].filter((size) => size > this.#newest.size);
    if (ahead.length > 1)
      this.find('checkpoint', 'is behind several kept checkpoints: it was rolled back');
    return kept;
  }

  #compareRoots(size: number): void {
    for (const { name, root } of this.#kept.get(size) ?? []) {
      if (!root.equals(this.#tree.root())) this.find(name, 'the root is not that of the leaves');
    }
  }

  #bundle(n: number, width: number): void {
    const name = tilePath({ level: 'entries', index: n, width });
    const bytes = readAtLeast(this.#dir, { level: 'entries', index: n, width });
    const leaves = bytes === undefined ? undefined : bundleLeaves(bytes);
    if (leaves === undefined || leaves.length < width) {
      this.find(name, bytes === undefined ? 'missing' : 'lengths do not add up');
      return;
    }
    for (const [i, leaf] of leaves.slice(0, width).entries()) this.#leaf(n * tileWidth + i, leaf);
  }

  #leaf(index: number, bytes: Buffer): void {
    const hash = leafHash(bytes);
    this.#tree.add(hash);
    this.#chain = chainHash(this.#chain, hash);
    this.#grow(0, hash);
    // Anchors name the chain over an earlier size; only recent ones and those at rest are asked for.
    this.#chains.set(index + 1, this.#chain);
    this.#chains.delete(index + 1 - 100_000);
    const leaf = decodeCanonical(bytes);
    const place = `leaf ${index}`;
    const wrong = leaf === undefined ? 'encoding' : wrongMember(leaf);
    if (leaf === undefined || wrong !== undefined) this.find(place, wrong ?? 'encoding');
    else this.#content(index, leaf);
    this.#compareRoots(index + 1);
  }

  #content(index: number, leaf: { readonly [name: string]: Json }): void {
    const place = `leaf ${index}`;
    const repeated = this.numbers.add(leaf);
    if (repeated !== undefined) this.find(place, repeated);
    const fields = (leaf['f'] ?? {}) as { readonly [name: string]: Json };
    if ((leaf['op'] === 'log.origin') !== (index === 0))
      this.find(place, 'log.origin is not leaf 0 alone');
    else if (
      index === 0 &&
      (fields['origin'] !== this.#newest.origin || fields['key'] !== this.#key.id.toString('hex'))
    ) {
      this.find(place, 'another origin or key than the checkpoint');
    }
    if (leaf['op'] === 'log.anchor') this.#anchor(place, fields);
    const ms = Date.parse(leaf['ts'] as string);
    const { boot } = leaf['prod'] as { readonly boot: string };
    const before = this.#lastOfBoot.get(boot);
    if (leaf['op'] === 'log.heartbeat' && before !== undefined && ms - before > silenceMs) {
      this.notices.push({
        place,
        what: `silence of ${Math.round((ms - before) / 1000)} s before it`,
      });
    }
    this.#lastOfBoot.set(boot, ms);
    this.#lastMs = Math.max(this.#lastMs, ms);
  }

  #anchor(place: string, fields: { readonly [name: string]: Json }): void {
    const size = fields['size'];
    const chain = size === 0 ? chainStart : this.#chains.get(size as number);
    if (chain !== undefined && chain.toString('hex') !== fields['chain'])
      this.find(place, 'names another chain');
    if (fields['key'] !== digest(this.#key.spki).toString('hex'))
      this.find(place, 'names another key');
  }

  #grow(level: number, hash: Buffer): void {
    const growing = (this.#levels[level] ??= { hashes: [], full: 0 });
    growing.hashes.push(hash);
    if (growing.hashes.length < tileWidth) return;
    this.#compareTile(level, growing.full, growing.hashes);
    const root = fullRoot(growing.hashes);
    growing.hashes = [];
    growing.full += 1;
    this.#grow(level + 1, root);
  }

  #partialTile(level: number): void {
    const growing = this.#levels[level];
    if (growing !== undefined && growing.hashes.length > 0)
      this.#compareTile(level, growing.full, growing.hashes);
  }

  #compareTile(level: number, index: number, hashes: readonly Buffer[]): void {
    const tile = { level, index, width: hashes.length };
    const bytes = readAtLeast(this.#dir, tile);
    this.tiles += 1;
    if (bytes === undefined) this.find(tilePath(tile), 'missing');
    else if (!bytes.subarray(0, hashes.length * 32).equals(Buffer.concat(hashes))) {
      this.find(tilePath(tile), 'is not that of the leaves');
    }
  }

  /** Names that do not belong here, and partial files that are no beginning of the full one. */
  #names(): void {
    const others = new Set(['checkpoint', 'public-key.der']);
    for (const name of listFiles(this.#dir)) {
      if (others.has(name) || name.startsWith('checkpoints/')) continue;
      const tile = tileOf(name);
      if (tile === undefined) this.find(name, 'does not belong to a ledger');
      else if (tile.width < tileWidth) this.#beginning(name, tile);
    }
  }

  #beginning(
    name: string,
    tile: { level: number | 'entries'; index: number; width: number },
  ): void {
    const wider = readAtLeast(this.#dir, { ...tile, width: tile.width + 1 });
    const bytes = readFileSync(join(this.#dir, name));
    if (wider !== undefined && !wider.subarray(0, bytes.length).equals(bytes)) {
      this.find(name, 'is no beginning of the wider one');
    }
  }
}

/** Root over the 256 hashes of a full tile. */
function fullRoot(hashes: readonly Buffer[]): Buffer {
  let row = [...hashes];
  while (row.length > 1) {
    row = row.flatMap((left, i) => (i % 2 === 0 ? [nodeHash(left, row[i + 1] ?? left)] : []));
  }
  return row[0] ?? Buffer.alloc(0);
}

/** @throws CannotRun when `dir` is no ledger folder or has no checkpoint that can be read. */
export function verifyDirectory(dir: string, key: LogKey): DirectoryReport {
  if (!existsSync(dir)) throw new CannotRun(`${dir} does not exist`);
  const note = readIfThere(dir, 'checkpoint');
  if (note === undefined) throw new CannotRun(`${dir} has no checkpoint`);
  const newest = openCheckpoint(note, key);
  if (typeof newest === 'string') {
    const nothing = {
      origin: '',
      size: 0,
      root: '',
      chain: '',
      checkpoints: 1,
      tiles: 0,
      boots: 0,
    };
    return {
      verdict: 'tampered',
      ...nothing,
      findings: [{ place: 'checkpoint', what: newest }],
      notices: [],
    };
  }
  const check = new DirectoryCheck(dir, key, newest);
  const { root, chain } = check.run();
  return {
    verdict: check.findings.length === 0 ? 'clean' : 'tampered',
    origin: newest.origin,
    size: newest.size,
    root: root.toString('hex'),
    chain: chain.toString('hex'),
    checkpoints: check.checkpoints + 1,
    tiles: check.tiles,
    boots: check.numbers.size,
    findings: check.findings,
    notices: check.notices,
  };
}
