// The body vectors of make-vectors.ts: good bodies and every way in which a body may be wrong.
import { createHash } from 'node:crypto';
import { concatBytes } from '../../../src/kernel/bytes.ts';
import { uuidFromBytes } from '../../../src/kernel/ids.ts';
import { sealChunk } from '../../../src/vault/formats/body-chunk.ts';
import { startBody, type BodyCodec } from '../../../src/vault/formats/body-header.ts';
import { sealStoredChunks } from '../../../src/vault/formats/body.ts';
import { storeBlock } from '../../../src/vault/formats/block.ts';
import { plainOf, toHex, type BodyVector, type Expect } from './vector-files.ts';

const made = (label: string): Uint8Array =>
  Uint8Array.from(createHash('sha256').update(label).digest());
const contentId = uuidFromBytes(made('content').subarray(0, 16));
const dek = made('dek');
const base = { dek: toHex(dek), contentId };
const hello = toHex(new TextEncoder().encode('Subject: hello\r\n\r\nHello, world.\r\n'));
const chunk = 65_536;

function good(
  name: string,
  comment: string,
  codec: BodyCodec,
  plain: { pattern: string; length: number },
): BodyVector {
  const bytes = plainOf(plain);
  const stored: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += chunk) {
    const block = bytes.subarray(at, at + chunk);
    stored.push(codec === 'zstd' ? storeBlock(block) : block);
  }
  const body = sealStoredChunks(startBody(dek, contentId, codec), bytes.length, stored);
  const hexes = stored.map((block) => toHex(block));
  return { name, comment, expect: 'ok', ...base, codec, plain, stored: hexes, body: toHex(body) };
}

/** A body by a key holder who does not follow the page: the index is as given. */
function forged(
  total: number,
  lengths: number[],
  stored: Uint8Array[],
  codec: BodyCodec,
): Uint8Array {
  const keys = startBody(dek, contentId, codec);
  const index = new Uint8Array(8 + 4 * lengths.length);
  const view = new DataView(index.buffer);
  view.setBigUint64(0, BigInt(total));
  lengths.forEach((length, i) => view.setUint32(8 + 4 * i, length));
  const count = new Uint8Array(4);
  new DataView(count.buffer).setUint32(0, lengths.length);
  return concatBytes([
    keys.header,
    ...stored.flatMap((block, counter) => sealChunk(keys, { counter, last: false }, block)),
    ...sealChunk(keys, { counter: lengths.length, last: true }, index),
    count,
  ]);
}

function changed(bytes: Uint8Array, at: number, by = 1): Uint8Array {
  const out = Uint8Array.from(bytes);
  out[at] = (out[at] ?? 0) ^ by;
  return out;
}

function bad(
  name: string,
  expect: Expect,
  comment: string,
  body: Uint8Array,
  change: Partial<BodyVector> = {},
): BodyVector {
  return { name, comment, expect, ...base, ...change, body: toHex(body) };
}

export function bodyVectors(): BodyVector[] {
  const three = good('three', 'three chunks, the last of 10 bytes is raw', 'zstd', {
    pattern: hello,
    length: 2 * chunk + 10,
  });
  const bytes = Uint8Array.from(Buffer.from(three.body, 'hex'));
  // Sealed lengths of the chunks, to cut and splice at their borders.
  const sizes = (three.stored ?? []).map((block) => block.length / 2 + 16);
  const borders = sizes.reduce<number[]>(
    (list, size) => [...list, (list.at(-1) ?? 0) + size],
    [56],
  );
  const part = (i: number): Uint8Array => bytes.subarray(borders[i], borders[i + 1]);
  const end = bytes.subarray(borders[3]);
  const head = bytes.subarray(0, 56);
  const short = new Uint8Array(5).fill(0x61);
  const zipped = storeBlock(new Uint8Array(100).fill(0x61));
  const other = sealStoredChunks(startBody(made('dek'), contentId, 'none'), 5, [short]);
  const foreign = sealStoredChunks(startBody(made('other'), contentId, 'zstd'), 5, [short]);
  return [
    good('hello', 'one short message', 'zstd', { pattern: hello, length: 32 }),
    good('empty', 'a message of no bytes', 'zstd', { pattern: '00', length: 0 }),
    good('empty-none', 'a message of no bytes, codec none', 'none', { pattern: '00', length: 0 }),
    good('one-byte', 'a message of one byte', 'zstd', { pattern: '61', length: 1 }),
    good('none', 'codec none', 'none', { pattern: hello, length: 100 }),
    good('full-chunk', 'exactly one chunk', 'zstd', { pattern: hello, length: chunk }),
    good('chunk-and-one', 'one byte more than a chunk', 'zstd', {
      pattern: '61',
      length: chunk + 1,
    }),
    three,
    bad('nothing', 'format', 'no bytes', new Uint8Array(0)),
    bad('header-only', 'format', 'the header alone', head),
    bad('cut-last-byte', 'format', 'last byte cut off', bytes.subarray(0, -1)),
    bad('cut-index', 'format', 'cut behind the last data chunk', bytes.subarray(0, borders[3])),
    bad(
      'long',
      'format',
      'a zero byte added: the count reads differently',
      concatBytes([bytes, Uint8Array.of(0)]),
    ),
    bad('magic', 'format', 'other magic', changed(bytes, 0)),
    bad('version', 'format', 'version 0', changed(bytes, 4)),
    bad('suite', 'format', 'suite 0', changed(bytes, 5)),
    bad('codec', 'commitment', 'codec changed to none', changed(bytes, 6)),
    bad('codec-unknown', 'format', 'codec 3', changed(bytes, 6, 2)),
    bad('chunk-size', 'format', 'chunk size 17', changed(bytes, 7)),
    bad('content-id', 'identity', 'a bit of the content id', changed(bytes, 8)),
    bad('commitment', 'commitment', 'a bit of the commitment', changed(bytes, 24)),
    bad('chunk-bit', 'tag', 'a bit of chunk 1', changed(bytes, borders[1] ?? 0)),
    bad('index-bit', 'tag', 'a bit of the index', changed(bytes, borders[3] ?? 0)),
    bad('count-less', 'tag', 'count 2', changed(bytes, bytes.length - 1)),
    bad('count-huge', 'format', 'a count that cannot fit', changed(bytes, bytes.length - 4, 0x80)),
    bad(
      'swapped',
      'tag',
      'chunks 0 and 1 swapped',
      concatBytes([head, part(1), part(0), part(2), end]),
    ),
    bad('dropped', 'format', 'chunk 1 dropped', concatBytes([head, part(0), part(2), end])),
    bad(
      'doubled',
      'format',
      'chunk 1 twice',
      concatBytes([head, part(0), part(1), part(1), part(2), end]),
    ),
    bad(
      'spliced-end',
      'tag',
      'end of another body of the same key',
      concatBytes([bytes.subarray(0, borders[3]), other.subarray(77)]),
    ),
    bad(
      'spliced-foreign',
      'tag',
      'end of a body of another key',
      concatBytes([bytes.subarray(0, borders[3]), foreign.subarray(77)]),
    ),
    bad('other-key', 'commitment', 'other key', bytes, { dek: toHex(made('other')) }),
    bad('other-content', 'identity', 'another content asked for', bytes, {
      contentId: uuidFromBytes(made('x').subarray(0, 16)),
    }),
    bad(
      'index-short',
      'format',
      'one chunk listed for two',
      forged(chunk + 1, [5], [short], 'zstd'),
    ),
    bad(
      'index-long',
      'format',
      'two chunks listed for one',
      forged(5, [5, 5], [short, short], 'zstd'),
    ),
    bad('stored-zero', 'format', 'stored length 0', forged(5, [0], [new Uint8Array(0)], 'zstd')),
    bad('stored-long', 'format', 'stored longer than plain', forged(4, [5], [short], 'zstd')),
    bad(
      'none-short',
      'format',
      'codec none with a short chunk',
      forged(100, [zipped.length], [zipped], 'none'),
    ),
    bad('not-zstd', 'format', 'shorter than plain and no zstd', forged(100, [5], [short], 'zstd')),
    bad(
      'zstd-length',
      'format',
      'zstd of another length',
      forged(101, [zipped.length], [zipped], 'zstd'),
    ),
    bad(
      'zstd-trailing',
      'format',
      'a byte behind the zstd frame',
      forged(100, [zipped.length + 1], [concatBytes([zipped, Uint8Array.of(0)])], 'zstd'),
    ),
    bad('total-huge', 'format', 'length above 2^53', forged(2 ** 60, [], [], 'zstd')),
    bad(
      'gap',
      'format',
      'bytes that the index does not name',
      forged(5, [5], [short, short], 'zstd'),
    ),
  ];
}
