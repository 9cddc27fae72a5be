// BINARY and BINARY.SIZE (RFC 9051 §6.4.5, RFC 3516): a part with its transfer encoding undone. An
// encoding that is not known is refused with UNKNOWN-CTE, as RFC 3516 §4.3 demands.
import type { MimePart } from '../../mime/part.ts';
import { decodeTransfer, isIdentityEncoding, knowsEncoding } from '../../mime/transfer-encoding.ts';
import type { FetchItem } from '../wire/fetch-item.ts';
import { ImapError } from '../wire/imap-error.ts';
import type { Answerer, ItemAnswer, ItemSource } from './answer.ts';
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

/** The answerer throws ImapError NO [UNKNOWN-CTE]. */
export function binaryAnswerer(item: BinaryItem): Answerer {
  const origin = item.partial === null ? '' : `<${item.partial.offset}>`;
  const label = `BINARY[${item.part.join('.')}]${origin}`;
  return (source) => answerBinary(item, label, source);
}

function answerBinary(item: BinaryItem, label: string, source: ItemSource): ItemAnswer {
  const place = placeOf(item.part, source);
  if (place === null) return { kind: 'text', text: `${label} NIL` };
  if (!isIdentityEncoding(place.encoding)) {
    return derive(place, (bytes) => {
      const decoded = decodeTransfer(bytes, place.encoding);
      const { from, to } = cut(0, decoded.length, item.partial);
      return { kind: 'bytes', label, bytes: decoded.subarray(from, to) };
    });
  }
  const { from, to } = cut(place.from, place.to, item.partial);
  if (to - from > wholeBytesMax) return { kind: 'octets', label, from, to };
  return derive({ from, to }, (bytes) => ({ kind: 'bytes', label, bytes }));
}

/** The answerer throws ImapError NO [UNKNOWN-CTE]. */
export function binarySizeAnswerer(item: BinarySizeItem): Answerer {
  const label = `BINARY.SIZE[${item.part.join('.')}]`;
  const told = (size: number): ItemAnswer => ({ kind: 'text', text: `${label} ${size}` });
  return (source) => {
    const place = placeOf(item.part, source);
    if (place === null) return told(0);
    if (isIdentityEncoding(place.encoding)) return told(place.to - place.from);
    return derive(place, (bytes) => told(decodeTransfer(bytes, place.encoding).length));
  };
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
