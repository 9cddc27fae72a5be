// Reads the primitives of RFC 9051 §9 out of one framed command. Two families: `x()` tries and
// answers null without moving, `expectX()` throws a GrammarError with the position. Everything a
// caller gets is a finished value; nothing is validated again later.
import { isAstringChar, isAtomChar, isDigit, isTagChar } from './char-class.ts';
import { GrammarError } from './grammar-error.ts';
import type { LiteralStart, RawCommand, Segment } from './raw-command.ts';

/** How strings become text: rev2 and UTF8=ACCEPT sessions speak UTF-8 in mailbox names. */
export interface DecoderMode {
  readonly utf8: boolean;
}

const none = new Uint8Array(0);
const space = 0x20;
const quote = 0x22;
const backslash = 0x5c;
/** RFC 9051 §4: number is 32 bits, number64 is 63 bits; we stay exact below 2^53. */
const number32Max = 0xffff_ffff;

export class Decoder {
  readonly mode: DecoderMode;
  readonly #segments: readonly Segment[];
  #index = 0;
  #bytes: Uint8Array = none;
  #at = 0;
  #base = 0;

  constructor(command: RawCommand, mode: DecoderMode = { utf8: false }) {
    this.mode = mode;
    this.#segments = command.segments;
    this.#enter(0);
  }

  /** Octets read so far, literals counted. */
  get position(): number {
    return this.#base + this.#at;
  }

  /** A GrammarError here. `expected` is a phrase such as `expected a flag`; it never quotes input. */
  fail(expected: string): GrammarError {
    return new GrammarError(expected, this.position);
  }

  /** Next byte, or -1 at the end of this text segment. */
  peek(): number {
    return this.#bytes[this.#at] ?? -1;
  }

  /** True at the end of the whole command. */
  atEnd(): boolean {
    return this.#at >= this.#bytes.length && this.#index >= this.#segments.length - 1;
  }

  expectEnd(): void {
    if (!this.atEnd()) throw this.fail('expected the end of the command');
  }

  /** Reads the character `c` if it is next. */
  special(c: string): boolean {
    if (this.peek() !== c.charCodeAt(0)) return false;
    this.#at += 1;
    return true;
  }

  expectSpecial(c: string): void {
    if (!this.special(c)) throw this.fail(`expected ${c}`);
  }

  sp(): boolean {
    return this.special(' ');
  }

  /** One space; further ones are taken too, since some clients send two. */
  expectSp(): void {
    if (!this.sp()) throw this.fail('expected a space');
    while (this.peek() === space) this.#at += 1;
  }

  /** Reads while `accepts` says so; null if nothing was read. */
  run(accepts: (byte: number) => boolean): string | null {
    const from = this.#at;
    let at = from;
    while (at < this.#bytes.length && accepts(this.#bytes[at] ?? 0)) at += 1;
    if (at === from) return null;
    this.#at = at;
    return latin1(this.#bytes.subarray(from, at));
  }

  tag(): string | null {
    return this.run(isTagChar);
  }

  expectTag(): string {
    return this.tag() ?? this.#throw('expected a tag');
  }

  atom(): string | null {
    return this.run(isAtomChar);
  }

  expectAtom(what = 'expected an atom'): string {
    return this.atom() ?? this.#throw(what);
  }

  /** An atom in upper case, for names that are the same in any case. */
  expectKeyword(what = 'expected a keyword'): string {
    return this.expectAtom(what).toUpperCase();
  }

  /** Reads `word` (upper case) if it is the whole next atom. */
  keyword(word: string): boolean {
    const from = this.#at;
    if (this.atom()?.toUpperCase() === word) return true;
    this.#at = from;
    return false;
  }

  /** number: 32 bits. */
  number(): number | null {
    return this.#number(number32Max);
  }

  expectNumber(what = 'expected a number'): number {
    return this.number() ?? this.#throw(what);
  }

  expectNzNumber(what = 'expected a number above zero'): number {
    const n = this.expectNumber(what);
    return n > 0 ? n : this.#throw(what);
  }

  /** number64, exact below 2^53. */
  number64(): number | null {
    return this.#number(Number.MAX_SAFE_INTEGER);
  }

  expectNumber64(what = 'expected a number'): number {
    return this.number64() ?? this.#throw(what);
  }

  /** A quoted string as bytes. 8-bit bytes are taken in any mode, CR, LF and NUL never occur. */
  quoted(): Uint8Array | null {
    if (this.peek() !== quote) return null;
    const from = this.#at;
    const out: number[] = [];
    for (let at = from + 1; at < this.#bytes.length; at += 1) {
      let byte = this.#bytes[at] ?? 0;
      if (byte === quote) {
        this.#at = at + 1;
        return Uint8Array.from(out);
      }
      if (byte === backslash) {
        at += 1;
        byte = this.#bytes[at] ?? 0;
      }
      if (byte === 0 || byte === 10 || byte === 13) break;
      out.push(byte);
    }
    throw this.fail('unfinished quoted string');
  }

  /** A literal that was buffered. NUL only in a literal8. */
  literal(): Uint8Array | null {
    const next = this.#nextLiteral();
    if (next === null) return null;
    const { bytes, literal } = next;
    if (bytes === null) throw this.fail('a literal may not stand here');
    if (!literal.binary && bytes.includes(0)) throw this.fail('NUL in a literal');
    this.#passLiteral(bytes.length);
    return bytes;
  }

  /** The head of a literal, buffered or not; null if something else is next. Passes over it. */
  literalStart(): LiteralStart | null {
    const next = this.#nextLiteral();
    if (next === null) return null;
    this.#passLiteral(next.literal.size);
    return next.literal;
  }

  /** True where all known text was read: at the literal whose fate is being decided, or the end. */
  atBreak(): boolean {
    return this.#at >= this.#bytes.length;
  }

  string(): Uint8Array | null {
    return this.quoted() ?? this.literal();
  }

  expectString(what = 'expected a string'): Uint8Array {
    return this.string() ?? this.#throw(what);
  }

  /** The inner null stands for NIL. */
  expectNstring(what = 'expected a string or NIL'): Uint8Array | null {
    return this.keyword('NIL') ? null : this.expectString(what);
  }

  astring(): Uint8Array | null {
    const found = this.string();
    if (found !== null) return found;
    // 8-bit bytes outside a string are not in the grammar, but clients that speak UTF-8 send them.
    const bare = this.run((byte) => isAstringChar(byte) || byte >= 0x80);
    return bare === null ? null : Uint8Array.from(Buffer.from(bare, 'latin1'));
  }

  expectAstring(what = 'expected a string'): Uint8Array {
    return this.astring() ?? this.#throw(what);
  }

  /** An astring as text: UTF-8, with U+FFFD for what is not. */
  expectAstringText(what = 'expected a string'): string {
    return utf8(this.expectAstring(what));
  }

  /**
   * A list in parentheses; `element` reads one. Null if there is none. An empty list is taken;
   * refuse it where the grammar asks for one element.
   */
  list<T>(element: () => T): T[] | null {
    if (!this.special('(')) return null;
    const out: T[] = [];
    while (this.sp());
    if (this.special(')')) return out;
    for (;;) {
      out.push(element());
      const spaced = this.sp();
      while (this.sp());
      if (this.special(')')) return out;
      if (!spaced) throw this.fail('expected a space or )');
    }
  }

  expectList<T>(element: () => T, what = 'expected a list'): T[] {
    return this.list(element) ?? this.#throw(what);
  }

  /** Runs `read`; if it throws a GrammarError or answers null, nothing was read. */
  attempt<T>(read: () => T | null): T | null {
    const saved = [this.#index, this.#at, this.#base] as const;
    let result: T | null = null;
    try {
      result = read();
    } catch (error) {
      if (!(error instanceof GrammarError)) throw error;
    }
    if (result === null) {
      [this.#index, this.#at, this.#base] = saved;
      const segment = this.#segments[this.#index];
      this.#bytes = segment?.kind === 'text' ? segment.bytes : none;
    }
    return result;
  }

  #number(max: number): number | null {
    const from = this.#at;
    const digits = this.run(isDigit);
    if (digits === null) return null;
    const value = Number(digits);
    if (value > max) {
      this.#at = from;
      throw this.fail('the number is too large');
    }
    return value;
  }

  #nextLiteral(): Extract<Segment, { kind: 'literal' }> | null {
    if (this.#at < this.#bytes.length) return null;
    const next = this.#segments[this.#index + 1];
    return next?.kind === 'literal' ? next : null;
  }

  #passLiteral(size: number): void {
    this.#base += this.#bytes.length + size;
    this.#at = 0;
    this.#enter(this.#index + 2);
  }

  #enter(index: number): void {
    const segment = this.#segments[index];
    this.#index = index;
    this.#bytes = segment?.kind === 'text' ? segment.bytes : none;
  }

  #throw(expected: string): never {
    throw this.fail(expected);
  }
}

/** Bytes as text, one character a byte. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

/** Bytes as UTF-8 text; what is not UTF-8 becomes U+FFFD. */
export function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
}
