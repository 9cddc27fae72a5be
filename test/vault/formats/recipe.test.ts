// docs/formats/recipe.md: the vectors, with the decoder of the server and with the auditor's, and that base64 text
// is taken apart only where it comes out again.
import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { openBody as openForAuditor } from '../../../audit/verifier/body.ts';
import { openRecipe } from '../../../audit/verifier/recipe.ts';
import { openRecipeReader } from '../../../src/archive/recipe-reader.ts';
import type { BodyReader } from '../../../src/archive/types.ts';
import { IntegrityError } from '../../../src/kernel/errors.ts';
import {
  base64TextLength,
  decodeBase64Lines,
  encodeBase64Lines,
} from '../../../src/mime/base64-lines.ts';
import { openBody, sealBody } from '../../../src/vault/formats/body.ts';
import { readBodyHeader } from '../../../src/vault/formats/body-header.ts';
import { decodeRecipe, encodeRecipe } from '../../../src/vault/formats/recipe.ts';
import { readVectors, type RecipeVector } from './vector-files.ts';

const vectors = readVectors<RecipeVector>('recipe/vectors.json');
const bytesOf = (hex = ''): Buffer => Buffer.from(hex, 'hex');

function readerOf(bytes: Uint8Array): BodyReader {
  const all = Buffer.from(bytes);
  return {
    size: all.length,
    read: (from, to) => Promise.resolve(all.subarray(from, to)),
    stream: () => {
      throw new Error('recipes are read in ranges');
    },
    close: () => undefined,
  };
}

async function messageOf(v: RecipeVector): Promise<Buffer> {
  expect(readBodyHeader(bytesOf(v.body)).form).toBe('recipe');
  const own = readerOf(openBody(bytesOf(v.dek), v.contentId, bytesOf(v.body)));
  const reader = await openRecipeReader(
    own,
    (id) => {
      const part = v.parts.find(({ content }) => content === id);
      if (part === undefined) throw new IntegrityError('integrity.tag', { kind: 'identity' });
      return Promise.resolve(readerOf(bytesOf(part.octets)));
    },
    () => undefined,
  );
  return reader.read(0, reader.size);
}

function messageForAuditor(v: RecipeVector): Buffer {
  const source = (bytes: Buffer) => ({
    length: bytes.length,
    read: (at: number, length: number) => Buffer.from(bytes.subarray(at, at + length)),
  });
  const own = openForAuditor(source(bytesOf(v.body)), bytesOf(v.dek), v.contentId);
  expect(own.recipe).toBe(true);
  const message = openRecipe(own, (id) => {
    const part = v.parts.find(({ content }) => content === id);
    if (part === undefined) throw new Error('identity');
    const body = sealBody(randomBytes(32), id, bytesOf(part.octets));
    expect(body.length).toBeGreaterThan(84);
    const octets = bytesOf(part.octets);
    const chunks = function* (): Generator<Buffer> {
      for (let at = 0; at < octets.length; at += 5) yield octets.subarray(at, at + 5);
    };
    return { size: octets.length, recipe: false, chunks, close: () => undefined };
  });
  return Buffer.concat([...message.chunks()]);
}

describe('recipe', () => {
  test.each(vectors.filter((v) => v.expect === 'ok'))('$name: $comment', async (v) => {
    expect((await messageOf(v)).toString('hex')).toBe(v.message);
    expect(messageForAuditor(v).toString('hex')).toBe(v.message);
    const recipe = bytesOf(v.recipe);
    const { pieces, literalsFrom } = decodeRecipe(recipe, recipe.length);
    expect(Buffer.from(encodeRecipe(pieces, [recipe.subarray(literalsFrom)]))).toEqual(recipe);
  });

  test.each(vectors.filter((v) => v.expect !== 'ok'))('refuses $name: $comment', async (v) => {
    const code = `integrity.${v.expect === 'format' ? 'format' : 'tag'}`;
    await expect(messageOf(v)).rejects.toMatchObject({ code });
    expect(() => messageForAuditor(v)).toThrow(v.expect);
  });
});

describe('base64 text', () => {
  const forms = fc.record({
    lineLength: fc.integer({ min: 1, max: 30 }).map((n) => 4 * n),
    lineEnd: fc.constantFrom('\n' as const, '\r\n' as const),
  });

  test('is what its bytes and its form say', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 400 }), forms, (plain, form) => {
        const text = encodeBase64Lines(form, plain);
        expect(text.length).toBe(base64TextLength(form, plain.length));
        const known = decodeBase64Lines(text);
        expect(known?.plain.equals(plain)).toBe(true);
        expect(encodeBase64Lines(known!.form, known!.plain).equals(text)).toBe(true);
      }),
      { seed: 7 },
    );
  });

  test('with a changed octet anywhere comes out with that octet, or is no such text', () => {
    const plain = randomBytes(100);
    for (const form of [
      { lineLength: 76, lineEnd: '\r\n' },
      { lineLength: 20, lineEnd: '\n' },
    ] as const) {
      const text = encodeBase64Lines(form, plain);
      let taken = 0;
      for (let at = 0; at < text.length; at += 1) {
        for (const other of Buffer.from('A/=-_ \r\n\t\0')) {
          const changed = Buffer.from(text);
          changed[at] = other;
          const known = decodeBase64Lines(changed);
          if (known === undefined) continue;
          taken += 1;
          const again = encodeBase64Lines(known.form, known.plain);
          expect(again.equals(changed.subarray(0, known.length))).toBe(true);
          expect(/^[\r\n]*$/u.test(changed.subarray(known.length).toString('latin1'))).toBe(true);
        }
      }
      expect(taken).toBeGreaterThan(100);
    }
  });
});
