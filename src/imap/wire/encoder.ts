// Writes server responses (RFC 9051 §7, §9) into few buffers. A string is quoted only if every byte is
// printable ASCII other than `"` and `\`; all else is a literal, whose length is that of the bytes
// that follow, because both are written from one array.
import { isAtomChar, isQuotable } from './char-class.ts';
import { encodeModifiedUtf7 } from './modified-utf7.ts';
import { quotedBytesMax } from './octet-text.ts';
import { type Ranges, formatRanges } from './ranges.ts';

/** How names are written: UTF-8 after ENABLE IMAP4rev2, modified UTF-7 before. */
export interface EncoderMode {
  readonly utf8: boolean;
}

/** Bytes from this size on are handed on as they are instead of being copied. */
const copyBytesMax = 4096;
/** Pages do not grow beyond it, unless a single piece is longer. */
const pageBytesMax = 32_768;

export class Encoder {
  readonly mode: EncoderMode;
  readonly #pageBytesMin: number;
  #done: Uint8Array[] = [];
  #page: Buffer;
  #used = 0;
  #total = 0;
  /** Octets in pages since the last `take`, and between the two before it. */
  #paged = 0;
  #pagedBefore = 0;
  #isLarge = false;

  constructor(mode: EncoderMode = { utf8: false }, pageBytesMin = 2048) {
    this.mode = mode;
    this.#pageBytesMin = pageBytesMin;
    this.#page = Buffer.allocUnsafe(pageBytesMin);
  }

  /** Octets written since the last `take`. */
  get length(): number {
    return this.#total;
  }

  /** Everything written so far; the encoder is empty afterwards. */
  take(): Uint8Array[] {
    this.#closePage();
    const out = this.#done;
    this.#done = [];
    this.#total = 0;
    this.#pagedBefore = this.#paged;
    this.#paged = 0;
    // Sessions say nothing for hours, and there are thousands: none holds on to a large page.
    if (this.#isLarge) this.#page = Buffer.alloc(0);
    this.#isLarge = false;
    return out;
  }

  /** Text of the grammar itself: ASCII, never anything that came from outside. */
  raw(text: string): this {
    return this.octets(text);
  }

  /** Whole responses as text with one character an octet (octet-text.ts). */
  octets(text: string): this {
    this.#room(text.length);
    this.#used += this.#page.write(text, this.#used, 'latin1');
    this.#total += text.length;
    return this;
  }

  /** Bytes as they are, without a copy if they are many; the caller must not change them. */
  bytes(bytes: Uint8Array): this {
    if (bytes.length >= copyBytesMax) {
      this.#closePage();
      this.#done.push(bytes);
    } else {
      this.#room(bytes.length);
      this.#page.set(bytes, this.#used);
      this.#used += bytes.length;
    }
    this.#total += bytes.length;
    return this;
  }

  sp(): this {
    return this.raw(' ');
  }

  crlf(): this {
    return this.raw('\r\n');
  }

  number(n: number): this {
    return this.raw(String(n));
  }

  nil(): this {
    return this.raw('NIL');
  }

  /** A string: quoted where possible, else a literal. NUL, which a literal may not hold, becomes `?`. */
  string(value: Uint8Array | string): this {
    const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
    if (bytes.length <= quotedBytesMax && bytes.every(isQuotable)) {
      return this.raw('"').bytes(bytes).raw('"');
    }
    const clean = bytes.includes(0) ? bytes.map((b) => (b === 0 ? 0x3f : b)) : bytes;
    return this.literalHead(clean.length).bytes(clean);
  }

  nstring(value: Uint8Array | string | null): this {
    return value === null ? this.nil() : this.string(value);
  }

  /** An atom if it can be one, else a string. */
  astring(value: string): this {
    const bytes = Buffer.from(value, 'utf8');
    const atom = bytes.length > 0 && bytes.every(isAtomChar) && value.toUpperCase() !== 'NIL';
    return atom ? this.bytes(bytes) : this.string(bytes);
  }

  /** A text that may hold `"` and `\`, quoted with escapes: names that clients compare as lines. */
  quotedEscaped(value: string): this {
    return this.raw('"')
      .bytes(Buffer.from(value.replace(/["\\]/g, '\\$&'), 'utf8'))
      .raw('"');
  }

  /** `{size}` or `~{size}` with its line end. Exactly `size` octets must follow. */
  literalHead(size: number, binary = false): this {
    return this.raw(`${binary ? '~' : ''}{${size}}\r\n`);
  }

  /** Elements by spaces in parentheses. */
  list<T>(items: Iterable<T>, write: (item: T) => void): this {
    this.raw('(');
    let first = true;
    for (const item of items) {
      if (!first) this.sp();
      first = false;
      write(item);
    }
    return this.raw(')');
  }

  /** Flags and keywords, which were checked when they came in. */
  flags(flags: Iterable<string>): this {
    return this.list(flags, (flag) => this.raw(flag));
  }

  /** A set that is not empty. */
  numSet(ranges: Ranges): this {
    return this.raw(formatRanges(ranges));
  }

  /** A mailbox name in the session's encoding: always a string, `INBOX` included. */
  mailbox(name: string): this {
    if (!this.mode.utf8) {
      const encoded = encodeModifiedUtf7(name);
      return /["\\]/.test(encoded) ? this.quotedEscaped(encoded) : this.string(encoded);
    }
    // RFC 9051 §5.1 has UTF-8 in quoted strings; control characters never are in a name.
    return this.quotedEscaped(name);
  }

  #room(bytes: number): void {
    if (this.#used + bytes <= this.#page.length) return;
    this.#closePage();
    // The pieces of a long answer are much alike: after the first one page does for each.
    const wanted = Math.max(this.#pageBytesMin, this.#paged, this.#pagedBefore);
    const size = Math.max(bytes, Math.min(wanted, pageBytesMax));
    this.#page = Buffer.allocUnsafe(size);
    this.#isLarge = size > this.#pageBytesMin;
  }

  #closePage(): void {
    if (this.#used === 0) return;
    this.#paged += this.#used;
    this.#done.push(this.#page.subarray(0, this.#used));
    this.#page = this.#page.subarray(this.#used);
    this.#used = 0;
  }
}
