// Known answers and hostile bytes for every vault format; the pages are docs/formats/*.md.
import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { IntegrityError } from '../../../src/kernel/errors.ts';
import { equalBytes } from '../../../src/kernel/bytes.ts';
import { startBody } from '../../../src/vault/formats/body-header.ts';
import { openBody, sealBody, sealStoredChunks } from '../../../src/vault/formats/body.ts';
import { openCell, sealCell } from '../../../src/vault/formats/cell.ts';
import { openPage, openPageBlock, pageRecordIds } from '../../../src/vault/formats/page.ts';
import { sealPageBlock } from '../../../src/vault/formats/page.ts';
import { unwrapKey, wrapBytes, wrapKey } from '../../../src/vault/formats/wrap.ts';
import { purposes } from '../../../src/vault/formats/purposes.ts';
import { fromHex, plainOf, readVectors, toHex } from './vector-files.ts';
import type { BodyVector, CellVector, PageVector, WrapVector } from './vector-files.ts';

/** Kind of the IntegrityError that `decode` throws, or `ok`. Any other error fails the test. */
function outcome(decode: () => unknown): string {
  try {
    decode();
    return 'ok';
  } catch (error) {
    if (!(error instanceof IntegrityError)) throw error;
    return String(error.fields['kind']);
  }
}

/** Inputs near `bytes` that must all be refused: every flipped bit, every cut, bytes added. */
function* mutations(bytes: Uint8Array): Generator<Uint8Array> {
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const out = Uint8Array.from(bytes);
    out[bit >> 3] = (out[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    yield out;
  }
  for (let length = 0; length < bytes.length; length += 1) yield bytes.slice(0, length);
  for (let from = 1; from < bytes.length; from += 1) yield bytes.slice(from);
  for (const extra of [0, 1, 255]) yield Uint8Array.from([...bytes, extra]);
  yield Uint8Array.from([...bytes, ...bytes]);
}

/** How many mutations were accepted; a decoder may accept none. */
function accepted(bytes: Uint8Array, decode: (mutated: Uint8Array) => unknown): number {
  let count = 0;
  for (const mutated of mutations(bytes)) if (outcome(() => decode(mutated)) === 'ok') count += 1;
  return count;
}

function named<T extends { name: string }>(vectors: T[], name: string): T {
  const found = vectors.find((vector) => vector.name === name);
  if (found === undefined) throw new Error(`no vector ${name}`);
  return found;
}

/** The page shows the vector: all its hex, without spaces and line breaks, stands in the document. */
function shown(page: string, hex: string): boolean {
  const path = new URL(`../../../docs/formats/${page}`, import.meta.url);
  return readFileSync(path, 'utf8').replaceAll(/\s/g, '').includes(hex);
}

describe('wrap', () => {
  const vectors = readVectors<WrapVector>('wrap/vectors.json');
  const open = (v: WrapVector, bytes = fromHex(v.wrap)): Uint8Array =>
    unwrapKey(fromHex(v.parentKey), v, bytes);

  test.each(vectors)('$name: $comment', (v) => {
    expect(outcome(() => open(v))).toBe(v.expect);
    if (v.key === undefined) return;
    const bytes = fromHex(v.wrap);
    expect(toHex(open(v))).toBe(v.key);
    const again = wrapKey(fromHex(v.parentKey), v, bytes.subarray(6, 30), fromHex(v.key));
    expect(toHex(again)).toBe(v.wrap);
  });

  test('every bit, every cut and every added byte counts', () => {
    const v = named(vectors, 'dek');
    expect(fromHex(v.wrap)).toHaveLength(wrapBytes);
    expect(accepted(fromHex(v.wrap), (bytes) => open(v, bytes))).toBe(0);
  });

  test('no purpose opens what another one wrapped', () => {
    const v = named(vectors, 'dek');
    const names = Object.keys(purposes) as (keyof typeof purposes)[];
    const opens = names.filter((purpose) => outcome(() => open({ ...v, purpose })) === 'ok');
    expect(opens).toEqual(['dek']);
    expect(new Set(Object.values(purposes)).size).toBe(names.length);
  });

  test('the page shows the vector', () => {
    expect(shown('wrap.md', named(vectors, 'dek').wrap)).toBe(true);
  });
});

describe('cell', () => {
  const vectors = readVectors<CellVector>('cell/cells.json');
  const open = (v: CellVector, bytes = fromHex(v.cell)): Uint8Array =>
    openCell(fromHex(v.key), v, bytes);

  test.each(vectors)('$name: $comment', (v) => {
    expect(outcome(() => open(v))).toBe(v.expect);
    if (v.payload === undefined) return;
    const bytes = fromHex(v.cell);
    expect(toHex(open(v))).toBe(v.payload);
    const again = sealCell(fromHex(v.key), v, bytes.subarray(2, 26), fromHex(v.payload));
    expect(toHex(again)).toBe(v.cell);
  });

  test('every bit, every cut and every added byte counts', () => {
    const v = named(vectors, 'short');
    expect(accepted(fromHex(v.cell), (bytes) => open(v, bytes))).toBe(0);
  });

  test('length tells a step of 256 bytes only', () => {
    const v = named(vectors, 'short');
    const length = (payload: number): number =>
      sealCell(fromHex(v.key), v, new Uint8Array(24), new Uint8Array(payload)).length;
    expect([0, 1, 251, 252, 253, 508, 509].map(length)).toEqual([
      298, 298, 298, 298, 554, 554, 810,
    ]);
  });

  test('the page shows the vector', () => {
    expect(shown('cell.md', named(vectors, 'short').cell)).toBe(true);
  });
});

describe('page', () => {
  const vectors = readVectors<PageVector>('cell/pages.json');
  const open = (v: PageVector, bytes = fromHex(v.page)): PageVector['records'] =>
    openPage(fromHex(v.key), v, bytes).map((record) => ({
      recordId: record.recordId,
      payload: toHex(record.payload),
    }));

  test.each(vectors)('$name: $comment', (v) => {
    expect(outcome(() => open(v))).toBe(v.expect);
    if (v.records === undefined) return;
    const bytes = fromHex(v.page);
    expect(open(v)).toEqual(v.records);
    expect(pageRecordIds(bytes)).toEqual(v.records.map((record) => record.recordId));
    const nonceAt = 20 + 16 * v.records.length;
    const block = openPageBlock(fromHex(v.key), v, bytes);
    const nonce = bytes.subarray(nonceAt, nonceAt + 24);
    expect(toHex(sealPageBlock(fromHex(v.key), v, nonce, block))).toBe(v.page);
  });

  test('every bit, every cut and every added byte counts', () => {
    const v = named(vectors, 'two');
    expect(accepted(fromHex(v.page), (bytes) => open(v, bytes))).toBe(0);
  });

  test('the page shows the vector', () => {
    expect(shown('cell.md', named(vectors, 'two').page)).toBe(true);
  });
});

describe('body', () => {
  const vectors = readVectors<BodyVector>('body/vectors.json');
  const open = (v: BodyVector, bytes = fromHex(v.body)): Uint8Array =>
    openBody(fromHex(v.dek), v.contentId, bytes);

  test.each(vectors)('$name: $comment', (v) => {
    expect(outcome(() => open(v))).toBe(v.expect);
    if (v.plain === undefined || v.stored === undefined || v.codec === undefined) return;
    expect(equalBytes(open(v), plainOf(v.plain))).toBe(true);
    const keys = startBody(fromHex(v.dek), v.contentId, v.codec);
    const again = sealStoredChunks(keys, v.plain.length, v.stored.map(fromHex));
    expect(toHex(again)).toBe(v.body);
  });

  test.each(['hello', 'empty', 'three'])('%s: every bit, cut and added byte counts', (name) => {
    const v = named(vectors, name);
    expect(accepted(fromHex(v.body), (bytes) => open(v, bytes))).toBe(0);
  });

  test('every other order, repetition or omission of chunks is refused', () => {
    const v = named(vectors, 'three');
    const bytes = fromHex(v.body);
    const sizes = (v.stored ?? []).map((block) => block.length / 2 + 16);
    const starts = sizes.map((_, i) => 56 + sizes.slice(0, i).reduce((sum, size) => sum + size, 0));
    const parts = sizes.map((size, i) => bytes.subarray(starts[i], (starts[i] ?? 0) + size));
    const framesEnd = 56 + sizes.reduce((sum, size) => sum + size, 0);
    const build = (order: number[]): Uint8Array =>
      Buffer.concat([
        bytes.subarray(0, 56),
        ...order.map((i) => parts[i] ?? bytes),
        bytes.subarray(framesEnd),
      ]);
    const orders: number[][] = [[]];
    const good: string[] = [];
    for (let at = 0; at < orders.length; at += 1) {
      const order = orders[at] ?? [];
      if (order.length < 4) for (const next of [0, 1, 2]) orders.push([...order, next]);
      if (outcome(() => open(v, build(order))) === 'ok') good.push(order.join());
    }
    expect(orders).toHaveLength(121);
    expect(good).toEqual(['0,1,2']);
  });

  test('chunks of another body of the same size do not fit', () => {
    const v = named(vectors, 'three');
    const plain = plainOf(v.plain ?? { pattern: '', length: 0 });
    const mine = fromHex(v.body);
    const other = sealBody(new Uint8Array(32), v.contentId, plain);
    const sameKey = sealBody(fromHex(v.dek), '00000000-0000-4000-8000-000000000000', plain);
    for (const donor of [other, sameKey]) {
      for (const [from, to] of [
        [0, 56],
        [56, 150],
        [mine.length - 40, mine.length],
      ] as const) {
        const spliced = Uint8Array.from(mine);
        spliced.set(donor.subarray(from, to), from);
        expect(outcome(() => open(v, spliced))).not.toBe('ok');
      }
    }
  });

  test('the page shows the vector', () => {
    expect(shown('body.md', named(vectors, 'hello').body)).toBe(true);
  });
});
