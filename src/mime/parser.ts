// The push parser: bytes in, part tree out (RFC 5322, RFC 2045, RFC 2046). It keeps offsets and header
// bytes, never bodies, and no input is an error: an archive stores what it is given, so beyond a limit
// only the structure degrades (the rest becomes one opaque leaf). Work is linear in the input.
import { contentFields } from './content-fields.ts';
import { boundaryBytesMax, OpenDelimiters, type DelimiterMatch } from './delimiter.ts';
import { eachLine, fieldColon, headerText } from './header.ts';
import { HeaderKeeper } from './header-keeper.ts';
import { LineSplitter, type LineSink } from './line-splitter.ts';
import { OpenPart } from './open-part.ts';
import type { MimePart, ParsedMessage } from './part.ts';

export interface MimeLimits {
  /** Containers inside each other; deeper ones are opaque leaves. */
  readonly depth: number;
  /** Parts in all; the last one takes the rest of the message. */
  readonly parts: number;
  /** Header octets kept in all parts together. */
  readonly headerBytes: number;
}

export const mimeLimitsDefault: MimeLimits = { depth: 64, parts: 10_000, headerBytes: 1_048_576 };

export interface MimeParser {
  /** Takes the next bytes; they are not referenced after the call. */
  push(chunk: Uint8Array): void;
  /** Ends the message. Call once. */
  end(): ParsedMessage;
}

/** A parser for one message. Never throws for any bytes. */
export function createMimeParser(limits: Partial<MimeLimits> = {}): MimeParser {
  return new PushParser({ ...mimeLimitsDefault, ...limits });
}

/** Parses a whole message. Never throws for any bytes. */
export function parseMessage(bytes: Uint8Array, limits: Partial<MimeLimits> = {}): ParsedMessage {
  const parser = createMimeParser(limits);
  parser.push(bytes);
  return parser.end();
}

const mailboxMark = /^>?From /u;

class PushParser implements MimeParser, LineSink {
  readonly #limits: MimeLimits;
  readonly #splitter = new LineSplitter(this);
  readonly #delimiters = new OpenDelimiters();
  readonly #keeper: HeaderKeeper;
  readonly #headers = new Map<MimePart, string>();
  readonly #root: OpenPart;
  readonly #stack: OpenPart[];
  #partCount = 1;
  /** Line ends seen so far. */
  #lines = 0;
  /** Where the line end before the current line begins. */
  #lastLineEnd = 0;
  #rootTruncated = false;

  constructor(limits: MimeLimits) {
    this.#limits = limits;
    this.#keeper = new HeaderKeeper(limits.headerBytes);
    this.#root = new OpenPart(0, true, false);
    this.#stack = [this.#root];
  }

  push(chunk: Uint8Array): void {
    const buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    this.#keeper.begin(buffer);
    this.#splitter.push(buffer);
    const top = this.#stack.at(-1);
    this.#keeper.finish(top?.bodyStart === -1 ? top.headerStart : -1);
  }

  end(): ParsedMessage {
    const size = this.#splitter.end();
    const linesInAll = this.#lines;
    this.#closeTo(0, size, size);
    const root = this.#root.freeze(this.#headers);
    return {
      size,
      lines: linesInAll,
      root,
      header: this.#root.header,
      headerTruncated: this.#rootTruncated,
      headers: this.#headers,
    };
  }

  line(
    bytes: Buffer,
    start: number,
    end: number,
    offset: number,
    contentEnd: number,
    next: number,
  ): void {
    const match = this.#delimiters.size > 0 ? this.#delimiters.match(bytes, start, end) : null;
    if (match === null) {
      let top = this.#stack.at(-1);
      while (top?.bodyStart === -1) {
        if (this.#headerLine(top, bytes, start, end, offset, contentEnd, next)) break;
        top = this.#stack.at(-1);
      }
    } else {
      this.#delimiter(match, offset, next, next === contentEnd);
      if (next > contentEnd) this.#lines += 1;
      const top = this.#stack.at(-1);
      if (top?.bodyStart === next) top.linesBefore = this.#lines;
      this.#lastLineEnd = contentEnd;
      return;
    }
    if (next > contentEnd) this.#lines += 1;
    this.#lastLineEnd = contentEnd;
  }

  /** False if the line turned out to be the first one of a body and may belong to an inner header. */
  #headerLine(
    part: OpenPart,
    bytes: Buffer,
    start: number,
    end: number,
    offset: number,
    contentEnd: number,
    next: number,
  ): boolean {
    if (isBlankLine(bytes, start, end, contentEnd - offset)) {
      const ended = next > contentEnd ? 1 : 0;
      this.#beginBody(part, next, this.#lines + ended);
      return true;
    }
    // A body part that begins with text lacks the empty line. A whole message never does: there a
    // damaged first line is far more likely than a message without any header.
    if (offset !== part.headerStart || part.isRoot || beginsField(bytes, start, end)) return true;
    this.#beginBody(part, offset, this.#lines);
    return false;
  }

  #beginBody(part: OpenPart, bodyStart: number, linesBefore: number): void {
    const kept = this.#keeper.take(part.headerStart, bodyStart);
    part.header = headerText(kept.bytes);
    part.bodyStart = bodyStart;
    part.linesBefore = linesBefore;
    if (part === this.#root) this.#rootTruncated = kept.truncated;
    part.content = contentFields(part.header, part.inDigest);
    const depth = this.#stack.length;
    const { type, subtype, params, encoding } = part.content;
    if (type === 'multipart') {
      const boundary = params.find(([name]) => name === 'boundary')?.[1] ?? '';
      if (depth >= this.#limits.depth || boundary.length > boundaryBytesMax) part.opaque = true;
      else this.#delimiters.open(depth - 1, boundary);
    } else if (type === 'message' && (subtype === 'rfc822' || subtype === 'global')) {
      const plain = encoding === '7bit' || encoding === '8bit' || encoding === 'binary';
      if (!plain || depth >= this.#limits.depth || this.#partCount >= this.#limits.parts) {
        part.opaque = true;
        return;
      }
      this.#partCount += 1;
      const root = new OpenPart(bodyStart, true, false);
      part.embedded = root;
      this.#stack.push(root);
    }
  }

  #delimiter(match: DelimiterMatch, offset: number, next: number, cutShort: boolean): void {
    this.#closeTo(match.depth + 1, this.#lastLineEnd, offset);
    this.#delimiters.close(match.closing ? match.depth : match.depth + 1);
    const parent = this.#stack[match.depth];
    // A delimiter that the message ends with, cut short, begins nothing.
    if (match.closing || parent === undefined || cutShort) return;
    const child = new OpenPart(next, false, parent.content.subtype === 'digest');
    parent.children.push(child);
    this.#stack.push(child);
    this.#partCount += 1;
    if (this.#partCount < this.#limits.parts) return;
    // The last part allowed takes the rest, unread.
    child.bodyStart = next;
    child.opaque = true;
    this.#delimiters.close(0);
  }

  /** Ends the parts at `depth` and deeper; their bodies end at `end`, the next line is at `limit`. */
  #closeTo(depth: number, end: number, limit: number): void {
    let top = this.#stack.at(-1);
    let floor = end;
    while (top !== undefined && this.#stack.length > depth) {
      if (top.bodyStart === -1) {
        const headerEnd = Math.max(top.headerStart, floor);
        this.#endHeaderEarly(top, headerEnd, headerEnd < limit ? 1 : 0);
      } else {
        top.bodyEnd = Math.max(top.bodyStart, floor);
        const trailing = top.bodyEnd < limit ? 1 : 0;
        top.lines = Math.max(0, this.#lines - trailing - top.linesBefore);
        // An empty line just before the delimiter may end a header inside; then it is no part of the
        // delimiter for the containers either.
        floor = top.bodyEnd;
        this.#stack.pop();
      }
      top = this.#stack.at(-1);
    }
  }

  /**
   * A header that meets its part's end: the body is empty, unless there is a line that is no field,
   * which then begins the body (the empty line was forgotten).
   */
  #endHeaderEarly(part: OpenPart, end: number, trailing: number): void {
    const header = headerText(this.#keeper.peek(part.headerStart, end));
    const { lineEnd } = this.#splitter;
    const junk = header.length === end - part.headerStart ? junkLine(header, lineEnd) : -1;
    const lines = this.#lines - trailing;
    if (junk < 0) {
      this.#beginBody(part, end, lines);
      return;
    }
    let after = 0;
    eachLine(
      header,
      (start, next) => {
        if (start >= junk && header.charAt(next - 1) === lineEnd) after += 1;
        return true;
      },
      lineEnd,
    );
    this.#beginBody(part, part.headerStart + junk, lines - after);
  }
}

/** Index of the first line that is neither field nor continuation nor mbox mark, or -1. */
function junkLine(header: string, lineEnd: '\n' | '\r'): number {
  let found = -1;
  eachLine(
    header,
    (start, next) => {
      const first = header.charCodeAt(start);
      if (first === 32 || first === 9) return true;
      if (fieldColon(header, start, next) >= 0) return true;
      if (start === 0 && mailboxMark.test(header.slice(0, 6))) return true;
      found = start;
      return false;
    },
    lineEnd,
  );
  return found;
}

/** Empty, or nothing but the CRs of a damaged line end. */
function isBlankLine(bytes: Buffer, start: number, end: number, length: number): boolean {
  if (length === 0) return true;
  if (length > 8) return false;
  for (let i = start; i < end; i += 1) if (bytes[i] !== 13) return false;
  return true;
}

const nameBytesMax = 1_000;

function beginsField(bytes: Buffer, start: number, end: number): boolean {
  let at = start;
  while (at < end && (bytes[at] === 32 || bytes[at] === 9)) at += 1;
  const text = bytes.toString('latin1', at, Math.min(end, start + nameBytesMax));
  return fieldColon(text, 0, text.length) >= 0;
}
