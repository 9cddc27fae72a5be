// docs/formats/ are enough to read the vectors: a decoder in plain Python, which shares nothing with src or
// audit, agrees on every vector, on its bytes and on why it is refused, and reads nothing near them.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { constants, zstdCompressSync } from 'node:zlib';
import { beforeAll, expect, test } from '@jest/globals';
import { describeWith } from '../harness/needs.ts';
import { readVectors, vectorFolder } from '../vault/formats/vector-files.ts';

interface Line {
  readonly file: string;
  readonly name: string;
  readonly outcome?: string;
  readonly tried?: number;
  readonly accepted?: number;
}

const lists = [
  'wrap/vectors.json',
  'cell/cells.json',
  'cell/pages.json',
  'body/vectors.json',
  'recipe/vectors.json',
  'pack/vectors.json',
  'kek-wrap/vectors.json',
  'kek-wrap/kwp.json',
  'export/vectors.json',
];

/** Vectors of which every flipped bit, every cut and every added byte is tried, with a lower bound of tries. */
const mutated: readonly (readonly [file: string, name: string, bytes: number])[] = [
  ['wrap/vectors.json', 'dek', 78],
  ['cell/cells.json', 'short', 298],
  ['cell/pages.json', 'two', 1_100],
  ['body/vectors.json', 'empty', 84],
  ['body/vectors.json', 'hello', 136],
  ['body/vectors.json', 'three', 250],
  ['recipe/vectors.json', 'two', 300],
  ['pack/vectors.json', 'two', 380],
  ['kek-wrap/vectors.json', 'custodian-key', 62],
  ['kek-wrap/kwp.json', 'kwp-custodian-key', 74],
  ['export/vectors.json', 'one', 1_200],
  ['export/vectors.json', 'custodianKeys', 62],
  ['export/vectors.json', 'groupKeys', 78],
  ['export/vectors.json', 'bodies', 78],
  ['ledger/leaf.json', 'leaf', 600],
  ['ledger/tree.json', 'note', 190],
];

const leafParts = ['canonical', 'pseudonym', 'commitment', 'leaf', 'leafHash', 'chain0'];
const treeParts = [
  'roots',
  'chains',
  'inclusion',
  'inclusion of others',
  'consistency',
  'consistency of others',
  'paths',
  'large',
  'bundle',
  'note',
  'vkey',
];

describeWith(['python3'], 'the decoder in Python', () => {
  let lines: Line[];
  const outcomes = (file: string): string[] =>
    lines
      .filter((line) => line.file === file && line.outcome !== undefined)
      .map(({ name, outcome }) => `${name}: ${outcome}`);

  beforeAll(() => {
    const script = fileURLToPath(new URL('decoder/read_vectors.py', import.meta.url));
    const args = ['-B', script, fileURLToPath(vectorFolder)];
    const text = execFileSync('python3', args, { encoding: 'utf8' });
    lines = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Line);
  }, 300_000);

  test.each(lists)('agrees on %s', (file) => {
    const expected = readVectors(file).map(({ name, expect: outcome }) => `${name}: ${outcome}`);
    const more = file === 'kek-wrap/vectors.json' ? ['keyFile: ok'] : [];
    expect(outcomes(file)).toEqual([...expected, ...more]);
  });

  test('agrees on leaves, the tree and the checkpoint', () => {
    const path = new URL('ledger/leaf.json', vectorFolder);
    const { refused } = JSON.parse(readFileSync(path, 'utf8')) as { refused: { why: string }[] };
    expect(outcomes('ledger/leaf.json').sort()).toEqual(
      [
        ...leafParts.map((name) => `${name}: ok`),
        ...refused.map(({ why }) => `${why}: format`),
      ].sort(),
    );
    expect(outcomes('ledger/tree.json')).toEqual(treeParts.map((name) => `${name}: ok`));
  });

  test('reads nothing that is near a vector as if it were the vector', () => {
    const found = lines.filter(({ tried }) => tried !== undefined);
    const names = (rows: readonly (readonly [string, string])[]): string[] =>
      rows.map(([file, name]) => `${file} ${name}`).sort();
    expect(names(found.map(({ file, name }) => [file, name]))).toEqual(
      names(mutated.map(([file, name]) => [file, name])),
    );
    expect(found.filter(({ accepted }) => accepted !== 0)).toEqual([]);
    for (const [file, name, bytes] of mutated) {
      const row = found.find((line) => line.file === file && line.name === name);
      expect(row?.tried).toBeGreaterThan(10 * bytes);
    }
  });

  /** Answers a line for each of `frames`. */
  const decompressed = (frames: readonly { frame: Buffer; length: number }[]): string[] => {
    const script = fileURLToPath(new URL('decoder/zstd.py', import.meta.url));
    const input = frames
      .map(({ frame, length }) => `${JSON.stringify({ frame: frame.toString('hex'), length })}\n`)
      .join('');
    const text = execFileSync('python3', ['-B', script], { encoding: 'utf8', input });
    return text.trimEnd().split('\n');
  };
  const compress = (plain: Buffer, level: number): { frame: Buffer; length: number } => {
    const params = { [constants.ZSTD_c_compressionLevel]: level };
    const frame = zstdCompressSync(plain, { pledgedSrcSize: plain.length, params });
    return { frame, length: plain.length };
  };
  const text = (): Buffer => {
    const pages = new URL('../../docs/formats/', import.meta.url);
    const names = readdirSync(pages).filter((name) => name.endsWith('.md'));
    return Buffer.concat(names.sort().map((name) => readFileSync(new URL(name, pages))));
  };

  test('decompresses what zstd of any level makes of text, noise and repetition', () => {
    const page = text();
    const noise = Buffer.concat(
      Array.from({ length: 2_048 }, (_, i) => createHash('sha256').update(String(i)).digest()),
    );
    const kinds = [page, noise, noise.map((byte) => byte & 7), Buffer.alloc(65_536, 'abc'), noise.map((byte) => byte % 77)];
    const plains = kinds.flatMap((kind) =>
      [0, 1, 20, 255, 256, 1_000, 20_000, 65_536].map((length) => Buffer.from(kind.subarray(0, length))),
    );
    // More than a block: tables and offsets of one block serve the next.
    plains.push(Buffer.concat([page, noise, page]));
    const cases = plains.flatMap((plain) => [1, 3, 9, 19].map((level) => ({ plain, level })));
    const found = decompressed(cases.map(({ plain, level }) => compress(plain, level)));
    expect(found).toEqual(cases.map(({ plain }) => createHash('sha256').update(plain).digest('hex')));
  }, 60_000);

  test('a damaged frame is refused or has other content; nothing else happens', () => {
    const { frame, length } = compress(text().subarray(0, 700), 3);
    const cuts = Array.from({ length: frame.length }, (_, end) => frame.subarray(0, end));
    expect(new Set(decompressed(cuts.map((cut) => ({ frame: cut, length }))))).toEqual(
      new Set(['format']),
    );
    const flips = Array.from({ length: frame.length * 8 }, (_, bit) => {
      const changed = Buffer.from(frame);
      changed[bit >> 3] = changed[bit >> 3]! ^ (1 << (bit & 7));
      return { frame: changed, length };
    });
    const good = createHash('sha256').update(text().subarray(0, 700)).digest('hex');
    const found = decompressed(flips);
    expect(found).toHaveLength(flips.length);
    expect(found).toContain('format');
    expect(found.filter((line) => !/^(format|[0-9a-f]{64})$/.test(line))).toEqual([]);
    // The single-segment and window bits may change without a trace; the content may not.
    expect(new Set(found).size).toBeGreaterThan(2);
    expect(found.filter((line) => line === good).length).toBeLessThan(16);
  }, 60_000);
});
