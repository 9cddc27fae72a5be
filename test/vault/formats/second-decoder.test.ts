// docs/formats/ are enough to read the vectors: a decoder in plain Python, which shares nothing with src,
// agrees on every vector, on its bytes and on why it is refused.
import { expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { readVectors, vectorFolder } from './vector-files.ts';

const files = [
  'wrap/vectors.json',
  'cell/cells.json',
  'cell/pages.json',
  'body/vectors.json',
  'pack/vectors.json',
];

test('the decoder in Python agrees on every vector', () => {
  const script = fileURLToPath(new URL('second-decoder.py', import.meta.url));
  const text = execFileSync('python3', [script, fileURLToPath(vectorFolder)], { encoding: 'utf8' });
  const lines = text.trim().split('\n');
  const found = lines.map((line) => JSON.parse(line) as Record<string, string>);
  const expected = files.flatMap((file) =>
    readVectors(file).map(({ name, expect: outcome }) => ({ file, name, outcome })),
  );
  expect(found).toEqual(expected);
});
