// Header fields without cutting them out: the same as when every line is cut out and looked at.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { FieldNames } from '../../src/mime/field-names.ts';
import { FieldReader, headerFields, headerLines } from '../../src/mime/header.ts';
import { parseMessage } from '../../src/mime/parser.ts';
import { usualFields } from '../../src/mime/usual-fields.ts';
import { headerAtRandom, plainFields, plainLineEnd } from './plain-header.ts';

const root =
  process.env['POSTSEAL_CORPUS'] ?? resolve(import.meta.dirname, '../../../shared/corpus');
const files = existsSync(root) ? globSync('**/*.eml', { cwd: root }).sort() : [];
const inCorpus = files.length > 0 || process.env['CI'] !== undefined ? describe : describe.skip;

function expectPlain(header: string): void {
  const expected = plainFields(header);
  expect(headerFields(header)).toEqual(expected);
  const usual = expected.filter(({ lowerName }) => usualFields.has(lowerName));
  expect(headerLines(header, new FieldNames(usualFields))).toEqual(
    usual.map(({ start, end }) => header.slice(start, end)),
  );
}

describe('FieldReader', () => {
  test('finds the fields of every header at random', () => {
    let found = 0;
    fc.assert(
      fc.property(headerAtRandom, (header) => {
        expectPlain(header);
        found += headerFields(header).length;
      }),
      { seed: 11, numRuns: 5_000 },
    );
    expect(found).toBeGreaterThan(4_000);
  });

  test('knows the line end, and whether it was ever LF alone', () => {
    fc.assert(
      fc.property(headerAtRandom, (header) => {
        const reader = new FieldReader(header);
        while (reader.next());
        const read = header.slice(0, plainFields(header).at(-1)?.end ?? 0);
        expect(reader.lineEnd).toBe(plainLineEnd(header));
        // It may have looked at lines behind the last field too.
        const bare = /(?<!\r)\n/u;
        if (bare.test(read) && reader.lineEnd === '\n') expect(reader.bareLf).toBe(true);
        if (!bare.test(header)) expect(reader.bareLf).toBe(false);
      }),
      { seed: 12, numRuns: 2_000 },
    );
  });
});

describe('FieldNames', () => {
  test('finds a member in any case, and no other name', () => {
    const name = fc.stringMatching(/^[!-9;-~]{1,4}$/u);
    fc.assert(
      fc.property(fc.array(name, { maxLength: 20 }), name, (members, asked) => {
        const set = new Set(members.map((member) => member.toLowerCase()));
        const names = new FieldNames(set);
        const text = `--${asked}--`;
        const lower = asked.toLowerCase();
        expect(names.find(text, 2, 2 + asked.length)).toBe(set.has(lower) ? lower : undefined);
        for (const member of members) {
          const upper = member.toUpperCase();
          expect(names.find(upper, 0, upper.length)).toBe(member.toLowerCase());
        }
      }),
      { seed: 13, numRuns: 2_000 },
    );
  });
});

inCorpus('the corpus', () => {
  test('has the same fields either way', () => {
    for (const file of files) expectPlain(parseMessage(readFileSync(join(root, file))).header);
    expect(files.length).toBeGreaterThan(1_500);
  });
});
