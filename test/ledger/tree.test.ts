import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  checkpointText,
  openCheckpoint,
  parseCheckpointText,
} from '../../src/ledger/checkpoint/checkpoint.ts';
import { formatProofFile, parseProofFile } from '../../src/ledger/checkpoint/proof-file.ts';
import {
  formatNote,
  noteKeyId,
  parseNote,
  parseVerifierKey,
  verifierKey,
} from '../../src/ledger/checkpoint/signed-note.ts';
import { decodeBundle, encodeBundle } from '../../src/ledger/tree/entry-bundle.ts';
import { chainHash, chainStart, emptyRoot, leafHash } from '../../src/ledger/tree/hashes.ts';
import {
  consistencyProof,
  inclusionProof,
  tilesNeeded,
  treeRoot,
  verifyConsistency,
  verifyInclusion,
} from '../../src/ledger/tree/proofs.ts';
import type { GetTile } from '../../src/ledger/tree/proofs.ts';
import {
  parseTilePath,
  partialTiles,
  tilePath,
  widthInTree,
} from '../../src/ledger/tree/tile-path.ts';
import { TileStack } from '../../src/ledger/tree/tile-stack.ts';

interface TreeVectors {
  readonly leaves: readonly string[];
  readonly roots: readonly string[];
  readonly chains: readonly string[];
  readonly inclusion: readonly { index: number; size: number; proof: readonly string[] }[];
  readonly consistency: readonly { size1: number; size2: number; proof: readonly string[] }[];
  readonly paths: readonly {
    tile: { level: number | 'entries'; index: number; width: number };
    path: string;
  }[];
  readonly large: { readonly size: number; readonly root: string };
  readonly bundle: { readonly leaves: readonly string[]; readonly hex: string };
  readonly note: {
    readonly spki: string;
    readonly text: string;
    readonly note: string;
    readonly vkey: string;
  };
}
const vectors = JSON.parse(
  readFileSync(new URL('../vectors/ledger/tree.json', import.meta.url), 'utf8'),
) as TreeVectors;
const hex = (text: string) => Buffer.from(text, 'hex');

/** A tree in memory: its full tiles and a GetTile for any size up to its own. */
function grow(leaves: readonly Buffer[]) {
  const stack = new TileStack();
  const full = new Map<string, Buffer>();
  for (const leaf of leaves) {
    for (const tile of stack.append(leaf)) full.set(`${tile.level}/${tile.index}`, tile.hashes);
  }
  const getTile: GetTile = (level, index, width) => {
    const tile = full.get(`${level}/${index}`) ?? stack.partial(level);
    if (tile.length < width * 32) throw new Error(`tile ${level}/${index} has no ${width} hashes`);
    return tile.subarray(0, width * 32);
  };
  return { stack, getTile };
}
/** RFC 6962 §2.1, straight from its definition. */
function mth(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return createHash('sha256').digest();
  if (leaves.length === 1) return leaves[0]!;
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return createHash('sha256')
    .update(Buffer.of(1))
    .update(mth(leaves.slice(0, k)))
    .update(mth(leaves.slice(k)))
    .digest();
}

describe('the tree of RFC 6962', () => {
  const leaves = vectors.leaves.map((leaf) => leafHash(hex(leaf)));

  test('has the known roots and chains', () => {
    expect(emptyRoot.toString('hex')).toBe(vectors.roots[0]);
    let chain: Buffer = chainStart;
    for (let size = 1; size <= leaves.length; size += 1) {
      const { stack, getTile } = grow(leaves.slice(0, size));
      chain = chainHash(chain, leaves[size - 1]!);
      expect(stack.root().toString('hex')).toBe(vectors.roots[size]);
      expect(treeRoot(size, getTile).toString('hex')).toBe(vectors.roots[size]);
      expect(chain.toString('hex')).toBe(vectors.chains[size - 1]);
    }
  });

  test('gives the known proofs', () => {
    const { getTile } = grow(leaves);
    for (const { index, size, proof } of vectors.inclusion) {
      expect(inclusionProof(index, size, getTile).map((h) => h.toString('hex'))).toEqual(proof);
    }
    for (const { size1, size2, proof } of vectors.consistency) {
      expect(consistencyProof(size1, size2, getTile).map((h) => h.toString('hex'))).toEqual(proof);
    }
  });

  test('proofs of every pair verify, and nothing that is changed does', () => {
    const many = Array.from({ length: 70_000 }, (_, i) => leafHash(Buffer.from(String(i))));
    const { stack, getTile } = grow(many);
    expect(stack.root().toString('hex')).toBe(vectors.large.root);
    const size = fc.integer({ min: 1, max: many.length });
    fc.assert(
      fc.property(size, size, fc.nat(), (a, b, pick) => {
        const [size1, size2] = [Math.min(a, b), Math.max(a, b)];
        const [root1, root2] = [treeRoot(size1, getTile), treeRoot(size2, getTile)];
        const index = pick % size2;
        const path = inclusionProof(index, size2, getTile);
        const claim = { index, size: size2, leaf: many[index]!, root: root2 };
        expect(verifyInclusion(claim, path)).toBe(true);
        expect(verifyInclusion({ ...claim, leaf: root1 }, path)).toBe(
          size2 === 1 && root1.equals(many[index]!),
        );
        expect(verifyInclusion(claim, [...path, root1])).toBe(false);
        const proof = consistencyProof(size1, size2, getTile);
        expect(verifyConsistency({ size1, root1, size2, root2 }, proof)).toBe(true);
        expect(verifyConsistency({ size1, root1: many[index]!, size2, root2 }, proof)).toBe(
          root1.equals(many[index]!),
        );
        if (proof.length > 0)
          expect(verifyConsistency({ size1, root1, size2, root2 }, proof.slice(1))).toBe(false);
        const reloaded = TileStack.load(size2, getTile);
        expect(reloaded.root()).toEqual(root2);
      }),
      { seed: 2, numRuns: 60 },
    );
  });

  test('equals the definition at every size across two tile borders', () => {
    const some = Array.from({ length: 600 }, (_, i) => leafHash(Buffer.from(`x${i}`)));
    const stack = new TileStack();
    for (let i = 0; i < some.length; i += 1) {
      stack.append(some[i]!);
      if (i % 37 === 0 || (i + 2) % 256 < 3)
        expect(stack.root()).toEqual(mth(some.slice(0, i + 1)));
    }
  });

  test('tilesNeeded tells what will be read', () => {
    const { getTile } = grow(
      Array.from({ length: 70_000 }, (_, i) => leafHash(Buffer.from(String(i)))),
    );
    const needed = tilesNeeded((get) => inclusionProof(300, 70_000, get));
    const allowed = new Set(needed.map((tile) => `${tile.level}/${tile.index}/${tile.width}`));
    const careful: GetTile = (l, i, w) => {
      expect(allowed).toContain(`${l}/${i}/${w}`);
      return getTile(l, i, w);
    };
    expect(inclusionProof(300, 70_000, careful)).toHaveLength(17);
  });
});

describe('tile paths and bundles', () => {
  test('are those of tlog-tiles, both ways', () => {
    for (const { tile, path } of vectors.paths) {
      expect(tilePath(tile)).toBe(path);
      expect(parseTilePath(path)).toEqual(tile);
    }
    for (const bad of [
      'tile/0/1',
      'tile/0/000.p/256',
      'tile/0/000.p/0',
      'tile/00/000',
      'tile/0/x000/001',
      'tile/0/001.p/01',
      'tile/entries/001x',
    ]) {
      expect(parseTilePath(bad)).toBeUndefined();
    }
    expect(partialTiles(70_000).map(tilePath)).toEqual([
      'tile/0/273.p/112',
      'tile/entries/273.p/112',
      'tile/1/001.p/17',
      'tile/2/000.p/1',
    ]);
    expect(widthInTree(1, 1, 70_000)).toBe(17);
  });

  test('bundles keep their leaves; a cut bundle is none', () => {
    const leaves = vectors.bundle.leaves.map(hex);
    expect(encodeBundle(leaves).toString('hex')).toBe(vectors.bundle.hex);
    expect(decodeBundle(hex(vectors.bundle.hex))).toEqual(leaves);
    expect(decodeBundle(hex(vectors.bundle.hex).subarray(0, -1))).toBeUndefined();
  });
});

describe('checkpoints', () => {
  test('the note of the vector opens with its key alone', () => {
    const { note, text, spki, vkey } = vectors.note;
    const origin = text.split('\n')[0]!;
    expect(openCheckpoint(Buffer.from(note), { origin, spki: hex(spki) })).toMatchObject(
      parseCheckpointText(text)!,
    );
    expect(verifierKey(origin, hex(spki))).toBe(vkey);
    expect(parseVerifierKey(vkey)).toEqual({ name: origin, spki: hex(spki) });
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({
      type: 'spki',
      format: 'der',
    });
    expect(openCheckpoint(Buffer.from(note), { origin, spki: other })).toBe('signature');
    expect(openCheckpoint(Buffer.from(note), { origin: 'else', spki: hex(spki) })).toBe('origin');
  });

  test('a note with any bit changed does not open', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    const text = checkpointText({ origin: 'example.com/log/1', size: 7, root: randomBytes(32) });
    const signature = sign('sha256', Buffer.from(text), privateKey);
    const note = Buffer.from(
      formatNote({
        text,
        signatures: [{ name: 'example.com/log/1', keyId: noteKeyId(spki), signature }],
      }),
    );
    expect(openCheckpoint(note, { spki })).toMatchObject({ size: 7 });
    for (let i = 0; i < note.length; i += 1) {
      for (const bit of [1, 0x20]) {
        const changed = Buffer.from(note);
        changed[i] = changed[i]! ^ bit;
        expect(typeof openCheckpoint(changed, { spki })).toBe('string');
      }
    }
    expect(parseNote(Buffer.concat([note, Buffer.from('\n')]))).toBeUndefined();
  });

  test('proof files keep what they hold', () => {
    const file = {
      index: 5,
      proof: [randomBytes(32), randomBytes(32)],
      checkpoint: vectors.note.note,
    };
    expect(parseProofFile(formatProofFile(file))).toEqual(file);
    expect(parseProofFile(formatProofFile(file).replace('index 5', 'index 05'))).toBeUndefined();
  });
});
