// Every message of the corpus gives an ENVELOPE and a BODYSTRUCTURE that a strict reader of the grammar
// (RFC 9051 §9) accepts, and every part that the structure tells of can be fetched.
import { describe, expect, test } from '@jest/globals';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { answererOf, type ContentItem, type ItemSource } from '../../../src/imap/items/index.ts';
import { resolveSection } from '../../../src/imap/items/section.ts';
import { parseMessage } from '../../../src/mime/parser.ts';
import { decodeStructure, encodeStructure } from '../../../src/mime/structure.ts';
import { extractUsualHeaderLines } from '../../../src/mime/usual-fields.ts';
import { checkBody, checkEnvelope, readValue, type PartNote } from './response-grammar.ts';

const root =
  process.env['POSTSEAL_CORPUS'] ?? resolve(import.meta.dirname, '../../../../shared/corpus');
const files = existsSync(root) ? globSync('**/*.eml', { cwd: root }).sort() : [];
const inCorpus = files.length > 0 || process.env['CI'] !== undefined ? describe : describe.skip;

function told(item: ContentItem, source: ItemSource): string {
  const answer = answererOf(item)(source);
  if (answer.kind !== 'text') throw new Error('expected an answer from the metadata alone');
  return answer.text;
}

inCorpus('the corpus', () => {
  test('is told in the grammar of the RFC', () => {
    const faults: string[] = [];
    for (const file of files) {
      const bytes = readFileSync(join(root, file));
      const parsed = parseMessage(bytes);
      const source: ItemSource = {
        headerLines: extractUsualHeaderLines(parsed),
        structure: decodeStructure(encodeStructure(parsed)),
      };
      try {
        checkEnvelope(readValue(told({ kind: 'envelope' }, source).slice('ENVELOPE '.length)));
        checkBody(
          readValue(
            told({ kind: 'bodystructure', extensible: false }, source).slice('BODY '.length),
          ),
          false,
        );
        const text = told({ kind: 'bodystructure', extensible: true }, source);
        const parts = checkBody(readValue(text.slice('BODYSTRUCTURE '.length)), true);
        for (const part of parts) checkPart(source, part);
      } catch (error) {
        faults.push(`${file}: ${String(error)}`);
      }
    }
    expect(faults).toEqual([]);
    expect(files.length).toBeGreaterThan(1_500);
  });
});

/** A part has the octets that the structure says; a message has a header and a text of its own. */
function checkPart({ structure }: ItemSource, { numbers, octets, isMessage }: PartNote): void {
  const name = numbers.join('.');
  const range = resolveSection(structure, { part: numbers, text: 'all' });
  if (range === null || range.to - range.from !== octets) throw new Error(`octets of ${name}`);
  if (resolveSection(structure, { part: numbers, text: 'mime' }) === null)
    throw new Error(`MIME of ${name}`);
  if (!isMessage) return;
  const header = resolveSection(structure, { part: numbers, text: 'header' });
  const text = resolveSection(structure, { part: numbers, text: 'text' });
  if (header === null || text === null) throw new Error(`message ${name}`);
  if (header.from !== range.from || text.to !== range.to) throw new Error(`bounds of ${name}`);
}
