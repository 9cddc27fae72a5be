// Walks through a pack without keys and names every frame and every place that is wrong:
// docs/formats/pack.md, "Checking". Reads in pieces of at most one megabyte, so that its memory is
// bounded and the event loop goes on; works on files, on objects and in memory.
import { equalBytes } from '../../kernel/bytes.ts';
import type { PackId } from '../../kernel/ids.ts';
import { IntegrityError } from '../../kernel/errors.ts';
import { readU64 } from '../formats/binary.ts';
import {
  decodeFooter,
  footerBytes,
  footerBytesMin,
  footerEndBytes,
} from '../formats/pack-footer.ts';
import { footerLengthFrom, footerMagic, type FooterEntry } from '../formats/pack-footer.ts';
import {
  createFrameDigest,
  decodeFramePrefix,
  decodePackHeader,
  frameDigestBytes,
  frameMagic,
  frameOverheadBytes,
  framePrefixBytes,
  packHeaderBytes,
  type FrameKind,
  type FramePrefix,
  type PackHeader,
} from '../formats/pack.ts';
import { windowedReader, type PositionalReader } from './positional-reader.ts';

/** A frame whose digest matches. */
export interface FoundFrame {
  readonly type: 'frame';
  readonly pack: PackId;
  readonly kind: FrameKind;
  readonly objectId: string;
  readonly offset: number;
  /** Octets of the payload. */
  readonly length: number;
  readonly sha256: Uint8Array;
}

/** A place that does not hold what it should. */
export interface PackFinding {
  readonly type: 'finding';
  readonly pack: PackId;
  readonly kind: 'header' | 'frame' | 'footer' | 'tail';
  readonly offset: number;
  /** Octets from `offset` that are meant. */
  readonly length: number;
  /**
   * True if the pack has a footer: then it is damage. Without one it may be what a crash left, and is
   * damage only if something refers to it.
   */
  readonly closed: boolean;
  /**
   * True for a pack of one streamed frame. Nothing of it is acknowledged before all of it is durable, so
   * without a reference every finding in it may be what a crash left, a footer or not.
   */
  readonly single: boolean;
}

export type ScanItem = FoundFrame | PackFinding;

const pieceBytes = 1_048_576;

/** Every frame and finding of the pack `pack`, in file order. Rejects only if reading itself fails. */
export async function* scanPack(
  pack: PackId,
  source: PositionalReader,
): AsyncGenerator<ScanItem, void, undefined> {
  const reader = windowedReader(source, pieceBytes);
  const header = await readHeader(pack, reader);
  const footer = await readFooter(pack, header, reader);
  const closed = footer.state !== 'none';
  const kind = footer.state === 'valid' ? footer.kind : header?.kind;
  const about = { type: 'finding', pack, single: kind === 'single' } as const;
  if (header === undefined) {
    const length = Math.min(packHeaderBytes, reader.length);
    yield { ...about, kind: 'header', offset: 0, length, closed };
  }
  if (footer.state === 'valid') {
    yield* checkEntries(about, reader, footer.entries);
    return;
  }
  const end = footer.state === 'damaged' ? footer.start : reader.length;
  yield* scanFrames(about, reader, end, closed);
  const length = reader.length - end;
  if (length > 0) yield { ...about, kind: 'footer', offset: end, length, closed };
}

/** What every finding of one pack has in common. */
type About = Pick<PackFinding, 'type' | 'pack' | 'single'>;

async function readHeader(pack: PackId, reader: PositionalReader): Promise<PackHeader | undefined> {
  const bytes = await reader.read(0, Math.min(packHeaderBytes, reader.length));
  const header = integrityOr(() => decodePackHeader(bytes));
  return header?.packId === pack ? header : undefined;
}

type FooterState =
  | { readonly state: 'none' }
  | { readonly state: 'damaged'; readonly start: number }
  | {
      readonly state: 'valid';
      readonly kind: PackHeader['kind'];
      readonly entries: readonly FooterEntry[];
    };

async function readFooter(
  pack: PackId,
  header: PackHeader | undefined,
  reader: PositionalReader,
): Promise<FooterState> {
  if (reader.length < packHeaderBytes + footerBytesMin) return { state: 'none' };
  const end = await reader.read(reader.length - footerEndBytes, reader.length);
  const length = footerLengthFrom(end);
  if (length === undefined) return { state: 'none' };
  const start = reader.length - length;
  if (length < footerBytesMin || start < packHeaderBytes) {
    return { state: 'damaged', start: reader.length };
  }
  const bytes = await reader.read(start, reader.length);
  // With a damaged file header the footer is still tried under both kinds that it may have had.
  const candidates: PackHeader[] = header
    ? [header]
    : [
        { kind: 'shared', packId: pack },
        { kind: 'single', packId: pack },
      ];
  for (const candidate of candidates) {
    const entries = integrityOr(() => decodeFooter(candidate, bytes, reader.length));
    if (entries !== undefined) return { state: 'valid', kind: candidate.kind, entries };
  }
  const begins = equalBytes(bytes.subarray(0, 4), footerMagic);
  return { state: 'damaged', start: begins ? start : reader.length };
}

async function* checkEntries(
  about: About,
  reader: PositionalReader,
  entries: readonly FooterEntry[],
): AsyncGenerator<ScanItem, void, undefined> {
  for (const entry of entries) {
    const frame = await readFrame(about.pack, reader, entry.offset, reader.length);
    const same =
      frame?.length === entry.length &&
      frame.objectId === entry.objectId &&
      equalBytes(frame.sha256, entry.digest);
    const length = frameOverheadBytes + entry.length;
    yield frame !== undefined && same
      ? frame
      : { ...about, kind: 'frame', offset: entry.offset, length, closed: true };
  }
}

/** Frame by frame up to `end`; looks for the next whole frame where none begins. */
async function* scanFrames(
  about: About,
  reader: PositionalReader,
  end: number,
  closed: boolean,
): AsyncGenerator<ScanItem, void, undefined> {
  const { pack } = about;
  let at = packHeaderBytes;
  while (at < end) {
    const frame = await readFrame(pack, reader, at, end);
    if (frame !== undefined) {
      yield frame;
      at += frameOverheadBytes + frame.length;
      continue;
    }
    const next = await nextFrame(pack, reader, at + 1, end);
    const length = (next ?? end) - at;
    const what =
      next === undefined
        ? await judgeRest(reader, at, closed)
        : ({ kind: 'frame', closed } as const);
    yield { ...about, offset: at, length, ...what };
    at += length;
  }
}

/**
 * Bytes behind the last whole frame: the rest of a crash, or damage. A footer of full length that lost
 * its closing magic is damage; a shorter one was torn by a crash.
 */
async function judgeRest(
  reader: PositionalReader,
  at: number,
  closed: boolean,
): Promise<Pick<PackFinding, 'kind' | 'closed'>> {
  const start = await reader.read(at, Math.min(at + packHeaderBytes, reader.length));
  if (!equalBytes(start.subarray(0, footerMagic.length), footerMagic)) {
    return { kind: closed ? 'frame' : 'tail', closed };
  }
  const count = start.length === packHeaderBytes ? readU64(start, 8) : undefined;
  const isWhole = count !== undefined && footerBytes(count) === reader.length - at;
  return { kind: 'footer', closed: closed || isWhole };
}

/** The frame that begins at `offset` and ends before `end`, if it is whole and its digest matches. */
export async function readFrame(
  pack: PackId,
  reader: PositionalReader,
  offset: number,
  end: number,
): Promise<FoundFrame | undefined> {
  if (offset + frameOverheadBytes > end) return undefined;
  const head = await reader.read(offset, offset + framePrefixBytes);
  const prefix = integrityOr(() => decodeFramePrefix(head));
  if (prefix === undefined || offset + frameOverheadBytes + prefix.length > end) return undefined;
  const sha256 = await digestOf(reader, offset, head, prefix);
  const stored = offset + framePrefixBytes + prefix.length;
  if (!equalBytes(sha256, await reader.read(stored, stored + frameDigestBytes))) return undefined;
  const { kind, objectId, length } = prefix;
  return { type: 'frame', pack, kind, objectId, offset, length, sha256 };
}

async function digestOf(
  reader: PositionalReader,
  offset: number,
  head: Uint8Array,
  prefix: FramePrefix,
): Promise<Uint8Array> {
  const running = createFrameDigest();
  const end = offset + framePrefixBytes + prefix.length;
  for (let at = offset + framePrefixBytes; at < end; at += pieceBytes) {
    running.update(await reader.read(at, Math.min(at + pieceBytes, end)));
  }
  return running.finish(head);
}

/** Offset of the next whole frame at or after `from`. Reads overlap, so no magic is cut in two. */
async function nextFrame(
  pack: PackId,
  reader: PositionalReader,
  from: number,
  end: number,
): Promise<number | undefined> {
  const overlap = frameMagic.length - 1;
  for (let at = from; at < end; at += pieceBytes) {
    const piece = Buffer.from(await reader.read(at, Math.min(at + pieceBytes + overlap, end)));
    let found = piece.indexOf(frameMagic);
    while (found !== -1) {
      if ((await readFrame(pack, reader, at + found, end)) !== undefined) return at + found;
      found = piece.indexOf(frameMagic, found + 1);
    }
  }
  return undefined;
}

/** Result of a decoder, or undefined where it refused the bytes; other errors pass. */
function integrityOr<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof IntegrityError) return undefined;
    throw error;
  }
}
