// Mailbox names: modified UTF-7 both ways, INBOX, patterns.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Decoder } from '../../../src/imap/wire/decoder.ts';
import { expectMailbox } from '../../../src/imap/wire/decode-mailbox.ts';
import { Encoder } from '../../../src/imap/wire/encoder.ts';
import { compileListPattern } from '../../../src/imap/wire/list-pattern.ts';
import { decodeModifiedUtf7, encodeModifiedUtf7 } from '../../../src/imap/wire/modified-utf7.ts';
import { wireOf } from './wire-text.ts';

describe('modified UTF-7', () => {
  test.each([
    ['INBOX', 'INBOX'],
    ['~peter/mail/台北/日本語', '~peter/mail/&U,BTFw-/&ZeVnLIqe-'],
    ['Entwürfe', 'Entw&APw-rfe'],
    ['R&D', 'R&-D'],
    ['é&', '&AOk-&-'],
    ['📧', '&2D3c5w-'],
    ['a📧b', 'a&2D3c5w-b'],
    ['☺!', '&Jjo-!'],
  ])('%s is %s', (text, encoded) => {
    expect(encodeModifiedUtf7(text)).toBe(encoded);
    expect(decodeModifiedUtf7(encoded)).toBe(text);
  });

  test.each([
    ['an unfinished shift', '&AOk'],
    ['a printable character in base64', '&AEE-'],
    ['two runs in a row', '&AOk-&AOk-'],
    ['an unpaired surrogate', '&2D0-'],
    ['stray bits', '&AOl-'],
    ['a slash as base64', '&A/k-'],
    ['8-bit text', 'é'],
    ['an incomplete unit', '&AO-'],
  ])('refuses %s', (_what, name) => {
    expect(decodeModifiedUtf7(name)).toBeNull();
  });

  test('decoding inverts encoding for every text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(decodeModifiedUtf7(encodeModifiedUtf7(text))).toBe(text.toWellFormed());
      }),
      { seed: 7, numRuns: 500 },
    );
  });

  test('what decodes has one spelling', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...Array.from('&-AOk,+2D3c5wé')) }), (name) => {
        const text = decodeModifiedUtf7(name);
        if (text !== null) expect(encodeModifiedUtf7(text)).toBe(name);
      }),
      { seed: 7, numRuns: 2000 },
    );
  });
});

describe('mailbox names on the wire', () => {
  const read = (text: string, utf8 = false): string =>
    expectMailbox(new Decoder(wireOf(text), { utf8 }));

  test('INBOX comes in any case, alone and as a parent', () => {
    expect(read('iNbOx')).toBe('INBOX');
    expect(read('"inbox/a"')).toBe('INBOX/a');
    expect(read('inboxes')).toBe('inboxes');
  });

  test('rev1 reads UTF-7, rev2 reads UTF-8 and takes & as it is', () => {
    expect(read('Entw&APw-rfe')).toBe('Entwürfe');
    expect(read('"Entwürfe & Co"', true)).toBe('Entwürfe & Co');
    expect(read('A&B')).toBe('A&B');
  });

  test('written names read back', () => {
    const name = fc
      .string({ unit: 'binary', minLength: 1, maxLength: 60 })
      .map((s) => s.toWellFormed().normalize('NFC'))
      .filter((s) => s !== '' && !/[\u0000-\u001f\u007f]/.test(s) && !/^inbox/i.test(s));
    fc.assert(
      fc.property(name, fc.boolean(), (text, utf8) => {
        const bytes = Buffer.concat(new Encoder({ utf8 }).mailbox(text).take());
        expect(read(bytes.toString('utf8'), utf8)).toBe(text);
      }),
      { seed: 7, numRuns: 500 },
    );
  });
});

describe('compileListPattern', () => {
  test.each([
    ['*', 'a/b/c', true],
    ['%', 'a', true],
    ['%', 'a/b', false],
    ['a/%', 'a/b', true],
    ['a/%', 'a/b/c', false],
    ['%/c', 'a/b/c', false],
    ['*c', 'a/b/c', true],
    ['inbox', 'INBOX', true],
    ['inbox/*', 'INBOX/x', true],
    ['a%b*c', 'aXbY/c', true],
    ['', 'a', false],
    ['', '', true],
    ['📧%', '📧x', true],
  ])('%s on %s is %s', (pattern, name, expected) => {
    expect(compileListPattern(pattern, '/')(name)).toBe(expected);
  });

  test('a pattern of stars is answered at once', () => {
    expect(compileListPattern(`${'*a'.repeat(200)}b`, '/')('a'.repeat(400))).toBe(false);
  });
});
