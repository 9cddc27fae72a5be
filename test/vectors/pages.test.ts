// The vectors that docs/formats/ show are those of test/vectors/, value for value: what a reader types in from
// a page is what the suites and the second decoder are held to.
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';

const root = resolve(import.meta.dirname, '../..');
const folder = join(root, 'docs/formats');
const pages = readdirSync(folder).filter((name) => name.endsWith('.md'));

interface Shown {
  readonly page: string;
  readonly file: string;
  readonly entry: string;
  /** Label and value, all white space taken out of the value. */
  readonly values: readonly (readonly [label: string, value: string])[];
}

/** `test/vectors/F`, entry `E` … and the next block of the page. */
const reference = /`(test\/vectors\/[\w/.-]+)`, entry `([\w-]+)`[^`]*(?:`[^`\n]+`[^`]*)*?\n```\n([^]*?)\n```/g;

function valuesOf(block: string): Shown['values'] {
  const values: [string, string][] = [];
  for (const line of block.split('\n')) {
    const last = values.at(-1);
    const more = /^(?: {2}|\{)/.test(line);
    if (more && last !== undefined) last[1] += line.replaceAll(/\s/g, '');
    else {
      // Labels have spaces too: two of them, or hex behind one, part the value; else it is on the next lines.
      const found = /^(.*?) {2,}(.*)$/.exec(line) ?? /^(.*) ([0-9a-f-]{8,})$/.exec(line);
      const [, label = line, value = ''] = found ?? [];
      values.push([label, value.replaceAll(/\s/g, '')]);
    }
  }
  return values;
}

function shownOn(page: string): Shown[] {
  const text = readFileSync(join(folder, page), 'utf8');
  return [...text.matchAll(reference)].map(([, file = '', entry = '', block = '']) => ({
    page,
    file,
    entry,
    values: valuesOf(block),
  }));
}

/** Every text and number of a vector, white space taken out. */
function leaves(value: unknown): string[] {
  if (typeof value === 'string') return [value.replaceAll(/\s/g, '')];
  if (typeof value === 'number') return [String(value)];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(leaves) : [];
}

type Vectors = Record<string, unknown>[];

function vectorOf({ file, entry }: Shown): Record<string, unknown> {
  const whole = JSON.parse(readFileSync(join(root, file), 'utf8')) as Vectors | { vectors: Vectors };
  const vectors = Array.isArray(whole) ? whole : whole.vectors;
  return vectors.find(({ name }) => name === entry)!;
}

const shown = pages.flatMap(shownOn);

test('every format that has vectors of its own shows one', () => {
  const names = shown.map(({ page, entry }) => `${page} ${entry}`);
  const expected = [
    'body.md hello',
    'cell.md short',
    'cell.md two',
    'export.md one',
    'kek-wrap.md custodian-key',
    'kek-wrap.md kwp-custodian-key',
    'metadata.md metadata',
    'pack.md two',
    'wrap.md dek',
  ];
  expect(expected.filter((name) => !names.includes(name))).toEqual([]);
});

describe.each(shown)('$page, $entry', (part) => {
  test('shows the values of the vector and no others', () => {
    const known = new Set(leaves(vectorOf(part)));
    const wrong = part.values.filter(([, value]) => !known.has(value));
    expect(part.values.length).toBeGreaterThan(0);
    expect(wrong).toEqual([]);
  });
});
