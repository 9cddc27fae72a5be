// A needle is found in a text without folding all of it exactly where it is found with.
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { fold } from '../../../src/imap/query/fold.ts';
import { FoldedText } from '../../../src/imap/query/folded-text.ts';

const plain = (text: string, needle: string): boolean => fold(text).includes(needle);
// Characters that fold into ASCII, into more than one, into marks, or not at all.
const characters = fc.constantFrom(
  ...Array.from('aAbBcCeEfFiIkKsStT. ([\\*\n'),
  'é',
  'É',
  'ß',
  'ſ',
  'ﬁ',
  'ﬀ',
  '…',
  'ａ',
  'Ｂ',
  'İ',
  'ı',
  'K',
  '\u0301',
  '\u0327',
  '²',
  '\u00a0',
  '中',
  '文',
  '한',
  '𝐚',
);
const texts = fc.array(characters, { maxLength: 60 }).map((list) => list.join(''));

test('for texts and needles of every kind', () => {
  fc.assert(
    fc.property(texts, fc.array(characters, { minLength: 1, maxLength: 5 }), (text, letters) => {
      const needle = fold(letters.join(''));
      expect(new FoldedText(text).has(needle)).toBe(plain(text, needle));
    }),
    { numRuns: 5_000 },
  );
});

test('for needles that are cut out of the folded text', () => {
  fc.assert(
    fc.property(texts, fc.nat(), fc.integer({ min: 1, max: 12 }), (text, from, length) => {
      const folded = fold(text);
      const at = from % (folded.length + 1);
      const needle = folded.slice(at, at + length);
      expect(new FoldedText(text).has(needle)).toBe(true);
    }),
    { numRuns: 5_000 },
  );
});

test('for several needles one after the other, ASCII and not', () => {
  const text = new FoldedText('Schöne Grüße, a ﬁne café … end');
  const needles = ['GRU', 'GRÜSSE', 'FINE', 'CAFE', '...', 'END', 'NOT THERE'].map(fold);
  expect(needles.map((needle) => text.has(needle))).toEqual([
    true,
    true,
    true,
    true,
    true,
    true,
    false,
  ]);
});
