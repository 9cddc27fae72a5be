// Real and hostile mail (../shared/corpus, or POSTSEAL_CORPUS): nothing throws, the chunking does not
// matter, the tree is sound, and it is the tree that Apache James Mime4j finds in its own test mail.
import { describe, expect, test } from '@jest/globals';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { extractUsualHeaderLines } from '../../src/mime/usual-fields.ts';
import { walkParts, type MimePart } from '../../src/mime/part.ts';
import { createMimeParser, parseMessage } from '../../src/mime/parser.ts';
import { decodeStructure, encodeStructure } from '../../src/mime/structure.ts';
import { envelopeOf } from '../../src/mime/envelope.ts';
import { envelopeFields } from '../../src/mime/content-fields.ts';
import { decodeHeaderText } from '../../src/mime/encoded-word.ts';
import { fileNameOf } from '../../src/mime/parameters.ts';
import { partText, textParts } from '../../src/mime/text.ts';
import { previewOf } from '../../src/mime/preview.ts';
import { baseSubject } from '../../src/mime/base-subject.ts';
import { unsoundness } from './soundness.ts';

const root =
  process.env['POSTSEAL_CORPUS'] ?? resolve(import.meta.dirname, '../../../shared/corpus');
const files = existsSync(root) ? globSync('**/*.eml', { cwd: root }).sort() : [];
const inCorpus = files.length > 0 || process.env['CI'] !== undefined ? describe : describe.skip;

inCorpus('the corpus', () => {
  test('is there', () => {
    expect(files.length).toBeGreaterThan(1_500);
  });

  test('parses without an error into sound trees that survive storage', () => {
    const faults: string[] = [];
    for (const file of files) {
      const bytes = readFileSync(join(root, file));
      const parsed = parseMessage(bytes);
      const fault = unsoundness(parsed, bytes);
      if (fault !== null) faults.push(`${file}: ${fault}`);
      const { size, lines, root: tree } = parsed;
      expect(decodeStructure(encodeStructure(parsed))).toEqual({ size, lines, root: tree });
    }
    expect(faults).toEqual([]);
  });

  test('gives the same tree whatever the chunks are', () => {
    for (const file of files) {
      const bytes = readFileSync(join(root, file));
      const whole = parseMessage(bytes);
      const parser = createMimeParser();
      for (let at = 0, length = 1; at < bytes.length;) {
        parser.push(bytes.subarray(at, at + length));
        at += length;
        length = ((length * 7 + 3) % 97) + 1;
      }
      const pushed = parser.end();
      expect({ file, header: pushed.header, root: pushed.root }).toEqual({
        file,
        header: whole.header,
        root: whole.root,
      });
    }
  });

  test('gives text, envelopes, file names and previews without an error', () => {
    for (const file of files) {
      const bytes = readFileSync(join(root, file));
      const parsed = parseMessage(bytes);
      const envelope = envelopeOf(envelopeFields(parsed.header));
      baseSubject(decodeHeaderText(envelope.subject ?? ''));
      for (const part of walkParts(parsed.root)) fileNameOf(part);
      for (const part of textParts(parsed.root)) partText(bytes, part);
      const preview = previewOf(parsed.root, (from, to) => bytes.subarray(from, to));
      expect(preview.length).toBeLessThanOrEqual(2 * 256);
      expect(
        Buffer.from(parsed.header, 'latin1').equals(bytes.subarray(0, parsed.header.length)),
      ).toBe(true);
      expect(parsed.header.length).toBeGreaterThanOrEqual(extractUsualHeaderLines(parsed).length);
    }
  });
});

/** Where we differ from Mime4j on purpose. */
const encodedMessage =
  'a message/rfc822 in base64 (RFC 2046 §5.2.1 forbids it): its parts have no octets in the original';
const differs: Readonly<Record<string, string>> = {
  'bad-newlines-multiple-parts-base64': encodedMessage,
  'multi-2gifs-base64': encodedMessage,
  'base64encoded-rfc822message-nested': encodedMessage,
  'base64encoded-rfc822message.': encodedMessage,
};

inCorpus('the trees of Mime4j', () => {
  const expected = files.filter((file) => existsSync(join(root, file.replace(/\.eml$/u, '.xml'))));
  test('are there', () => {
    expect(expected.length).toBeGreaterThanOrEqual(70);
  });
  test.each(expected)('%s', (file) => {
    const bytes = readFileSync(join(root, file));
    const xml = readFileSync(join(root, file.replace(/\.eml$/u, '.xml')), 'latin1');
    const name = Object.keys(differs).find((key) => file.includes(key));
    const ours = treeOf(parseMessage(bytes).root, bytes);
    const theirs = treeOfEvents(xml);
    if (name === undefined) expect(ours).toEqual(theirs);
    else expect(ours).not.toEqual(theirs);
  });
});

type Tree =
  { readonly body: string } | { readonly multipart: readonly Tree[] } | { readonly message: Tree };

/** Printable ASCII without white space: the event files were written in varying charsets. */
const ascii = (text: string): string => text.replace(/[^!-~]/gu, '');

function treeOf(part: MimePart, bytes: Buffer): Tree {
  if (part.message !== null) return { message: treeOf(part.message.root, bytes) };
  if (part.type === 'multipart') {
    return { multipart: part.children.map((child) => treeOf(child, bytes)) };
  }
  return { body: ascii(bytes.toString('latin1', part.bodyStart, part.bodyEnd)) };
}

/** The element file of Mime4j: message, body-part, multipart and body; text only in body. */
function treeOfEvents(xml: string): Tree {
  const tags = [...xml.matchAll(/<(\/?)(message|body-part|multipart|body)>/gu)];
  let at = 0;
  const read = (): Tree => {
    // `at` stands at <message> or <body-part>.
    at += 1;
    const tag = tags[at];
    let tree: Tree = { body: '' };
    if (tag?.[2] === 'body' && tag[1] === '') {
      const text = xml.slice(tag.index + tag[0].length, tags[at + 1]!.index);
      tree = { body: ascii(unescapeXml(text)) };
      at += 2;
    } else if (tag?.[2] === 'multipart' && tag[1] === '') {
      const multipart: Tree[] = [];
      at += 1;
      while (tags[at]?.[2] === 'body-part' && tags[at]?.[1] === '') multipart.push(read());
      at += 1;
      tree = { multipart };
    } else if (tag?.[2] === 'message' && tag[1] === '') {
      tree = { message: read() };
    }
    at += 1;
    return tree;
  };
  return read();
}

const unescapeXml = (text: string): string =>
  text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&apos;', "'")
    .replaceAll('&amp;', '&');
