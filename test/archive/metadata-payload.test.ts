// docs/formats/metadata.md: known bytes, every message comes back, and nothing else is taken.
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  decodeMetadata,
  encodeMetadata,
  originalCommitment,
  saltMetadata,
} from '../../src/archive/metadata-payload.ts';
import { PostsealError } from '../../src/kernel/errors.ts';
import { parseMessage } from '../../src/mime/parser.ts';
import { usualFields, usualFieldsVersion } from '../../src/mime/usual-fields.ts';

const bytes = Buffer.from('Subject: a\r\n\r\nb\r\n');
const structure = parseMessage(bytes);
const vector = {
  headerLines: 'Subject: a\r\n',
  headerTruncated: false,
  structure,
  preview: 'b',
  envelope: { from: 'x@example.com', to: ['y@example.com'] },
  digest: hash('sha256', bytes, 'buffer'),
};
const salt = Buffer.alloc(32, 7);
const whole = saltMetadata(encodeMetadata(vector), salt);
/** The same as it was written before metadata said which bytes it belongs to. */
const first = Buffer.from(whole.subarray(0, -64));
first[0] = 1;

describe('encodeMetadata', () => {
  test('writes the vector of the format', () => {
    const json = JSON.stringify([
      1,
      17,
      3,
      [0, 14, 3, 1, 'text', 'plain', ['charset', 'us-ascii']],
    ]);
    const length = (n: number): string => n.toString(16).padStart(8, '0');
    const envelope = '["x@example.com","y@example.com"]';
    expect(whole.toString('hex')).toBe(
      [
        '0200',
        length(12) + Buffer.from('Subject: a\r\n').toString('hex'),
        length(json.length) + Buffer.from(json).toString('hex'),
        `${length(1)}62`,
        length(envelope.length) + Buffer.from(envelope).toString('hex'),
        '9c6c8eb5e1aadf9965b891e6b38b9eaaa685400b5a6f4e755ee91c0695514d09',
        '07'.repeat(32),
      ].join(''),
    );
    const { original } = decodeMetadata(whole);
    expect(original).toEqual({ digest: vector.digest, salt });
    expect(originalCommitment(original!).toString('hex')).toBe(
      '1e8e0fc0fce6a110395140b65e871bb54200952306610800d9dcaa20f657cd48',
    );
  });

  test('version 1 is read, and says nothing of the bytes', () => {
    const { original, ...rest } = decodeMetadata(whole);
    expect(original).toBeDefined();
    expect(decodeMetadata(first)).toEqual(rest);
  });
});

describe('decodeMetadata', () => {
  test('gives back every field', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.boolean(),
        fc.string({ unit: 'grapheme', maxLength: 50 }),
        fc.option(fc.array(fc.string(), { minLength: 1, maxLength: 4 }), { nil: undefined }),
        (header, headerTruncated, preview, paths) => {
          const headerLines = Buffer.from(header).toString('latin1');
          const [from = '', ...to] = paths ?? [];
          const envelope = paths === undefined ? undefined : { from, to };
          const back = decodeMetadata(
            saltMetadata(
              encodeMetadata({
                ...{ headerLines, headerTruncated, structure, preview, envelope },
                digest: vector.digest,
              }),
              salt,
            ),
          );
          const { size, lines, root } = structure;
          expect(back).toEqual({
            headerLines,
            headerTruncated,
            structure: { size, lines, root },
            preview,
            size,
            original: { digest: vector.digest, salt },
            ...(envelope === undefined ? {} : { envelope }),
          });
        },
      ),
      { seed: 3, numRuns: 200 },
    );
  });

  test('refuses everything else as a format failure', () => {
    for (const good of [whole, first]) {
      for (let length = 0; length < good.length; length += 1) {
        expect(() => decodeMetadata(good.subarray(0, length))).toThrow(PostsealError);
      }
      expect(() => decodeMetadata(Buffer.concat([good, Buffer.alloc(1)]))).toThrow(PostsealError);
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        try {
          decodeMetadata(noise);
        } catch (error) {
          expect(error).toMatchObject({ code: 'integrity.format' });
        }
      }),
      { seed: 4, numRuns: 500 },
    );
  });
});

describe('the set of usual fields', () => {
  test('is the one that the format page binds to version 1', () => {
    const page = readFileSync(new URL('../../docs/formats/metadata.md', import.meta.url), 'utf8');
    const listed = /```\n([a-z0-9, \n-]+)\n```/.exec(page)?.[1]?.split(/,?\s+/) ?? [];
    expect(listed).toEqual([...usualFields]);
    expect(usualFieldsVersion).toBe(1);
  });
});
