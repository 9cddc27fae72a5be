// HEADER.FIELDS picked out field by field and line by line, against the way that copies whole runs.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { headerSubset } from '../../../src/imap/items/header-subset.ts';
import { FieldNames } from '../../../src/mime/field-names.ts';
import { parseMessage } from '../../../src/mime/parser.ts';
import { headerAtRandom, plainFields, plainLineEnd } from '../../mime/plain-header.ts';

const root =
  process.env['POSTSEAL_CORPUS'] ?? resolve(import.meta.dirname, '../../../../shared/corpus');
const files = existsSync(root) ? globSync('**/*.eml', { cwd: root }).sort() : [];
const inCorpus = files.length > 0 || process.env['CI'] !== undefined ? describe : describe.skip;

/** Every selected field alone: NUL told as 0x80, the last line ended, line ends made CRLF. */
function plainSubset(header: string, names: ReadonlySet<string>, keep: boolean): string {
  const lineEnd = plainLineEnd(header);
  const out = plainFields(header)
    .filter(({ lowerName }) => names.has(lowerName) === keep)
    .map(({ start, end }) => {
      const lines = header.slice(start, end).replaceAll('\0', '\x80');
      const ended = lines.endsWith(lineEnd) ? lines : lines + lineEnd;
      return lineEnd === '\n' ? ended.replace(/\r?\n/gu, '\r\n') : ended.replaceAll('\r', '\r\n');
    });
  return `${out.join('')}\r\n`;
}

function expectPlain(header: string, wanted: readonly string[]): void {
  const names = new Set(wanted);
  for (const keep of [true, false]) {
    expect(headerSubset(header, { names: new FieldNames(names), keep })).toBe(
      plainSubset(header, names, keep),
    );
  }
}

describe('headerSubset', () => {
  test('of headers at random', () => {
    const wanted = fc.subarray(['subject', 'to', 'date', 'x', 'x-cc', 'subjectx', 'absent']);
    fc.assert(fc.property(headerAtRandom, wanted, expectPlain), { seed: 21, numRuns: 5_000 });
  });

  test('of headers whose line ends are all CRLF', () => {
    const crlf = headerAtRandom.map((header) => header.replace(/\r*\n|\r+/gu, '\r\n'));
    const wanted = fc.subarray(['subject', 'to', 'date', 'x', 'x-cc']);
    fc.assert(fc.property(crlf, wanted, expectPlain), { seed: 22, numRuns: 5_000 });
  });
});

inCorpus('the corpus', () => {
  test.each([
    [['from', 'to', 'subject', 'date', 'message-id']],
    [['received', 'content-type', 'mime-version', 'references']],
    [[]],
  ])('with %j', (wanted) => {
    for (const file of files) {
      expectPlain(parseMessage(readFileSync(join(root, file))).header, wanted);
    }
    expect(files.length).toBeGreaterThan(1_500);
  });
});
