// The recipe vectors of make-vectors.ts: good recipes, and every rule of docs/formats/recipe.md broken once by
// somebody who has the key.
import { createHash } from 'node:crypto';
import type { ContentId } from '../../../src/kernel/ids.ts';
import { uuidFromBytes } from '../../../src/kernel/ids.ts';
import { type Base64Form, encodeBase64Lines } from '../../../src/mime/base64-lines.ts';
import { sealBody } from '../../../src/vault/formats/body.ts';
import { encodeRecipe, type RecipePiece } from '../../../src/vault/formats/recipe.ts';
import { type Expect, type RecipeVector, toHex } from './vector-files.ts';

const made = (label: string): Uint8Array =>
  Uint8Array.from(createHash('sha256').update(label).digest());
const idOf = (label: string): ContentId => uuidFromBytes(made(label).subarray(0, 16)) as ContentId;
const contentId = idOf('recipe');
const dek = made('recipe dek');
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const base = { dek: toHex(dek), contentId };

const image = {
  content: idOf('image'),
  bytes: Uint8Array.from(Buffer.from('one image, twenty-two!')),
};
const note = { content: idOf('note'), bytes: text('Gr\u00fc\u00dfe\r\n') };
const parts = [image, note].map(({ content, bytes }) => ({ content, octets: toHex(bytes) }));
const start = text('Subject: two\r\n\r\n--b\r\n\r\n');

const literal = (bytes: Uint8Array): RecipePiece => ({ kind: 'literal', length: bytes.length });
const octets = (part: typeof note): RecipePiece => ({
  kind: 'octets',
  length: part.bytes.length,
  part: part.content,
});
const base64 = (part: typeof image, form: Base64Form): RecipePiece => ({
  kind: 'base64',
  length: encodeBase64Lines(form, part.bytes).length,
  part: part.content,
  partLength: part.bytes.length,
  form,
});
const crlf: Base64Form = { lineLength: 16, lineEnd: '\r\n' };
const lf: Base64Form = { lineLength: 4, lineEnd: '\n' };
const line: Base64Form = { lineLength: 0, lineEnd: '' };

function sealed(recipe: Uint8Array): string {
  return toHex(sealBody(dek, contentId, recipe, 'none', 'recipe'));
}

function good(
  name: string,
  comment: string,
  pieces: RecipePiece[],
  literals: Uint8Array[],
  message: Uint8Array[],
): RecipeVector {
  const recipe = encodeRecipe(pieces, literals);
  const whole = toHex(Buffer.concat(message));
  const body = sealed(recipe);
  return {
    name,
    comment,
    expect: 'ok',
    ...base,
    parts,
    recipe: toHex(recipe),
    message: whole,
    body,
  };
}

const pieces = [literal(start), base64(image, crlf), literal(text('\r\n')), octets(note)];
const table = encodeRecipe(pieces, [start, text('\r\n')]);

/** The recipe `two` with octets replaced. */
function bad(
  name: string,
  expect: Expect,
  comment: string,
  at: number,
  bytes: number[],
): RecipeVector {
  const recipe = Uint8Array.from(table);
  recipe.set(bytes, at);
  return { name, comment, expect, ...base, parts, body: sealed(recipe) };
}

const entry = (i: number): number => 20 + 40 * i;
const cut = (length: number): string => sealed(table.subarray(0, length));

export function recipeVectors(): RecipeVector[] {
  const imageIn = (form: Base64Form): Uint8Array => encodeBase64Lines(form, image.bytes);
  return [
    good(
      'two',
      'a base64 part in lines of 16, and a part as it is',
      pieces,
      [start, text('\r\n')],
      [start, imageIn(crlf), text('\r\n'), note.bytes],
    ),
    good('lines-of-4', 'lines ended by LF', [base64(image, lf)], [], [imageIn(lf)]),
    good('one-line', 'one line', [base64(image, line)], [], [imageIn(line)]),
    good('twice', 'a part twice', [octets(note), octets(note)], [], [note.bytes, note.bytes]),
    good('literal-only', 'no part', [literal(start)], [start], [start]),
    bad('magic', 'format', 'other magic', 0, [0x51]),
    bad('version', 'format', 'version 2', 4, [2]),
    bad('zero-5', 'format', 'octet 5 is not zero', 5, [1]),
    bad('zero-18', 'format', 'octet 18 is not zero', 18, [1]),
    bad('no-piece', 'format', 'no piece', 16, [0, 0]),
    bad('pieces', 'format', 'more pieces than there are', 16, [0, 5]),
    bad('length', 'format', 'another length of the message', 15, [1]),
    bad('kind', 'format', 'kind 3', entry(1), [3]),
    bad('line-end', 'format', 'line end 3', entry(1) + 1, [3]),
    bad('no-line-end', 'format', 'lines without a line end', entry(1) + 1, [0]),
    bad('line-length', 'format', 'lines of 17', entry(1) + 2, [0, 17]),
    bad('line-length-0', 'format', 'a line end without lines', entry(1) + 2, [0, 0]),
    bad('zero-4', 'format', 'octet 4 of a piece is not zero', entry(1) + 4, [1]),
    bad(
      'part-length',
      'format',
      'a text of another length than the part makes',
      entry(1) + 23,
      [25],
    ),
    bad('octets-lines', 'format', 'lines of a part as it is', entry(3) + 1, [2, 0, 16]),
    bad('octets-length', 'format', 'a part as it is of two lengths', entry(3) + 23, [8]),
    bad('literal-part', 'format', 'a literal of a part', entry(0) + 39, [1]),
    bad('no-part', 'identity', 'a part that is not there', entry(3) + 39, [0xff]),
    { ...base, name: 'cut', comment: 'cut', expect: 'format', parts, body: cut(table.length - 1) },
    { ...base, name: 'head', comment: 'cut in the head', expect: 'format', parts, body: cut(19) },
    { ...base, name: 'none', comment: 'nothing', expect: 'format', parts, body: cut(0) },
  ];
}
