// Known answers and hostile bytes for packs: docs/formats/pack.md, "Checking".
import { describe, expect, test } from '@jest/globals';
import type { PackId } from '../../../src/kernel/ids.ts';
import { memoryReader } from '../../../src/vault/packs/positional-reader.ts';
import { scanPack, type FoundFrame } from '../../../src/vault/packs/scan-pack.ts';
import { readFileSync } from 'node:fs';
import { fromHex, readVectors, toHex, type PackVector } from '../formats/vector-files.ts';
import { all } from './scan-items.ts';

describe('scanPack', () => {
  const vectors = readVectors<PackVector>('pack/vectors.json');

  test.each(vectors)('$name: $comment', async (v) => {
    const bytes = fromHex(v.pack);
    const items = await all(scanPack(v.packId as PackId, memoryReader(bytes)));
    const findings = items.filter((item) => item.type === 'finding');
    expect(findings.map(({ kind, offset }) => ({ kind, offset }))).toEqual(v.findings);
    const found = items.filter((item): item is FoundFrame => item.type === 'frame');
    const described = found.map((frame) => ({
      objectId: frame.objectId,
      offset: frame.offset,
      payload: toHex(bytes.subarray(frame.offset + 32, frame.offset + 32 + frame.length)),
      digest: toHex(frame.sha256),
    }));
    expect(described).toEqual(v.frames);
    expect(v.findings.length > 0).toBe(v.expect !== 'ok');
  });

  test.each(['two', 'single', 'empty-closed', 'unclosed'])(
    '%s: every flipped bit and every cut is found',
    async (name) => {
      const v = vectors.find((vector) => vector.name === name)!;
      const good = fromHex(v.pack);
      const missed: string[] = [];
      const check = async (bytes: Uint8Array, what: string): Promise<void> => {
        const items = await all(scanPack(v.packId as PackId, memoryReader(bytes)));
        const whole = items.filter((item) => item.type === 'frame').length === v.frames.length;
        if (whole && items.length === v.frames.length) missed.push(what);
      };
      for (let bit = 0; bit < good.length * 8; bit += 1) {
        const bytes = Uint8Array.from(good);
        bytes[bit >> 3] = bytes[bit >> 3]! ^ (1 << (bit & 7));
        await check(bytes, `bit ${bit}`);
      }
      for (let length = 0; length < good.length; length += 1) {
        await check(good.slice(0, length), `cut ${length}`);
      }
      await check(Uint8Array.from([...good, 0]), 'added');
      // Cut at the footer, a closed pack is a whole unclosed one: only the references tell (verify).
      const last = v.frames.at(-1);
      const framesEnd = last === undefined ? 32 : last.offset + 64 + last.payload.length / 2;
      expect(missed).toEqual(v.closed ? [`cut ${framesEnd}`] : []);
    },
  );

  test('damage of a closed pack is told from the rest of a crash', async () => {
    const bytes = fromHex(vectors.find((vector) => vector.name === 'two')!.pack);
    const { packId } = vectors[0]!;
    const closedAt = async (cut: number, flip?: number): Promise<boolean[]> => {
      const copy = Uint8Array.from(bytes.subarray(0, cut));
      if (flip !== undefined) copy[flip] = copy[flip]! ^ 1;
      const items = await all(scanPack(packId as PackId, memoryReader(copy)));
      return items.flatMap((item) => (item.type === 'finding' ? [item.closed] : []));
    };
    const flips = await Promise.all(Array.from(bytes, (_, i) => closedAt(bytes.length, i)));
    expect(flips.filter((list) => !list.includes(true))).toEqual([]);
    expect(await closedAt(bytes.length - 1)).toEqual([false]);
    expect(await closedAt(20)).toEqual([false]);
  });

  test('the page shows the vector', () => {
    const page = new URL('../../../docs/formats/pack.md', import.meta.url);
    const { pack } = vectors.find((vector) => vector.name === 'two')!;
    expect(readFileSync(page, 'utf8').replaceAll(/\s/g, '')).toContain(pack);
  });
});
