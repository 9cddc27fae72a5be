// BINARY and BINARY.SIZE (RFC 9051 §6.4.5, RFC 3516): a part with its transfer encoding undone. An
// encoding that is not known is refused with UNKNOWN-CTE, as RFC 3516 §4.3 demands.
import type { MimePart } from '../../mime/part.ts';
import { decodeTransfer, isIdentityEncoding, knowsEncoding } from '../../mime/transfer-encoding.ts';
import type { FetchItem } from '../wire/fetch-item.ts';
import { ImapError } from '../wire/imap-error.ts';
import type { ItemAnswer, ItemSource } from './answer.ts';
import { findPart } from './section.ts';
import { cut } from './section-answer.ts';

export type BinaryItem = Extract<FetchItem, { kind: 'binary' }>;
export type BinarySizeItem = Extract<FetchItem, { kind: 'binary.size' }>;

/** Above this size octets without an encoding are streamed instead of read at once. */
const wholeBytesMax = 1_048_576;

interface Place {
  readonly from: number;
  readonly to: number;
  readonly encoding: string;
}

/** @throws ImapError NO [UNKNOWN-CTE] */
export function answerBinary(item: BinaryItem, source: ItemSource): ItemAnswer {
  const place = placeOf(item.part, source);
  const origin = item.partial === null ? '' : `<${item.partial.offset}>`;
  const label = `BINARY[${item.part.join('.')}]${origin}`;
  if (place === null) return inlineBytes(label, null);
  if (!isIdentityEncoding(place.encoding)) {
    return derive(place, (bytes) => {
      const decoded = decodeTransfer(bytes, place.encoding);
      const { from, to } = cut(0, decoded.length, item.partial);
      return inlineBytes(label, decoded.subarray(from, to));
    });
  }
  const { from, to } = cut(place.from, place.to, item.partial);
  if (to - from > wholeBytesMax) return { kind: 'octets', label, from, to };
  return derive({ from, to }, (bytes) => inlineBytes(label, bytes));
}

/** @throws ImapError NO [UNKNOWN-CTE] */
export function answerBinarySize(item: BinarySizeItem, source: ItemSource): ItemAnswer {
  const place = placeOf(item.part, source);
  const label = `BINARY.SIZE[${item.part.join('.')}]`;
  if (place === null) return inlineNumber(label, 0);
  if (isIdentityEncoding(place.encoding)) return inlineNumber(label, place.to - place.from);
  return derive(place, (bytes) =>
    inlineNumber(label, decodeTransfer(bytes, place.encoding).length),
  );
}

function placeOf(numbers: readonly number[], { structure }: ItemSource): Place | null {
  if (numbers.length === 0) return { from: 0, to: structure.size, encoding: 'binary' };
  const part = findPart(structure.root, numbers);
  if (part === null) return null;
  if (part === 'empty') return { from: 0, to: 0, encoding: '7bit' };
  const encoding = encodingOf(part);
  if (!knowsEncoding(encoding)) {
    throw new ImapError('NO', 'UNKNOWN-CTE', 'The transfer encoding of this part is not known');
  }
  return { from: part.bodyStart, to: part.bodyEnd, encoding };
}

/** Containers have no encoding of their own (RFC 2045 §6.4): their octets are what they are. */
const encodingOf = (part: MimePart): string =>
  part.message !== null || (part.type === 'multipart' && !part.opaque) ? '8bit' : part.encoding;

const derive = (
  { from, to }: { readonly from: number; readonly to: number },
  finish: (bytes: Uint8Array) => ItemAnswer,
): ItemAnswer => (from === to ? finish(new Uint8Array()) : { kind: 'derive', from, to, finish });

/** literal8 only where it must be: a literal may not hold NUL (RFC 9051 §4.3). */
const inlineBytes = (label: string, bytes: Uint8Array | null): ItemAnswer => ({
  kind: 'inline',
  write: (enc) => {
    enc.raw(`${label} `);
    if (bytes === null) enc.nil();
    else enc.literalHead(bytes.length, bytes.includes(0)).bytes(bytes);
  },
});

const inlineNumber = (label: string, n: number): ItemAnswer => ({
  kind: 'inline',
  write: (enc) => void enc.raw(`${label} ${n}`),
});
