// Cuts the byte stream of a client into commands (RFC 9051 §2.2.1, §4.3; RFC 7888; RFC 3516).
// A pull reader without I/O: bytes go in by `push`, events come out by `next`, and nothing is read
// past a literal before the consumer has said what becomes of it. That decision may depend on the
// command's head, so an APPEND streams while a LOGIN with a huge literal is refused before a byte
// of it is kept. Memory is bounded by the line limit, the literals that the consumer lets be
// buffered, and what it pushed.
import type { LiteralStart, RawCommand, Segment } from './raw-command.ts';

/** What becomes of a literal: kept in the command, handed out as chunks, or the command dropped. */
export type LiteralDecision = 'buffer' | 'stream' | 'refuse';

export type ReaderEvent =
  | { readonly kind: 'command'; readonly command: RawCommand }
  /** Answer with `decide`; for a synchronising literal that is taken, send `+` after it. `head`
   * is what came before, and good only until then. */
  | { readonly kind: 'literal'; readonly literal: LiteralStart; readonly head: RawCommand }
  | { readonly kind: 'literal-chunk'; readonly bytes: Uint8Array }
  /** The last octet of a streamed literal has been handed out. */
  | { readonly kind: 'literal-end' }
  /** One line without its end, in the mode that `readLine` asked for. */
  | { readonly kind: 'line'; readonly bytes: Uint8Array }
  /** The line limit is passed; `head` is what was kept of it. The rest is skipped unread. */
  | { readonly kind: 'too-long'; readonly head: RawCommand };

export interface ReaderLimits {
  /** Octets of a command without its literals. */
  readonly lineBytesMax: number;
}

type State =
  | { readonly kind: 'line' }
  | { readonly kind: 'undecided'; readonly literal: LiteralStart }
  | { readonly kind: 'buffer'; readonly literal: LiteralStart; left: number; parts: Uint8Array[] }
  | { readonly kind: 'stream'; left: number }
  /** Skips octets of a refused literal, then the rest of its line. */
  | { readonly kind: 'skip-literal'; left: number }
  | { readonly kind: 'skip-line' };

const lineFeed = 10;
const carriageReturn = 13;
/** Longest literal marker: `~{9007199254740991+}` and a CR. */
const tailBytes = 24;
const none = new Uint8Array(0);

export class CommandReader {
  readonly #limits: ReaderLimits;
  /** Unread input; the first chunk is read up to `#at`. */
  #chunks: Uint8Array[] = [];
  #at = 0;
  #pending = 0;
  /** The piece of the present line that came in earlier chunks. */
  #line: Uint8Array[] = [];
  #lineBytes = 0;
  /** Earlier segments of the present command, and octets of text in them. */
  #segments: Segment[] = [];
  #commandBytes = 0;
  #lineMode = false;
  #state: State = { kind: 'line' };

  constructor(limits: ReaderLimits) {
    this.#limits = limits;
  }

  /** Adds input. The reader keeps the array: the caller must not change it afterwards. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#pending += chunk.length;
  }

  /** Puts a raw line back to be read as a command: what ended an IDLE without being DONE. */
  unreadLine(line: Uint8Array): void {
    const rest = this.#chunks.shift();
    if (rest !== undefined) this.#chunks.unshift(rest.subarray(this.#at));
    this.#at = 0;
    this.#chunks.unshift(Buffer.concat([line, Buffer.from('\r\n')]));
    this.#pending += line.length + 2;
  }

  /** Octets that were pushed and not yet read: the caller pauses its socket by this. */
  get pendingBytes(): number {
    return this.#pending;
  }

  /** True while bytes of an unfinished command were read, so that an idle limit may be short. */
  get midCommand(): boolean {
    return this.#state.kind !== 'line' || this.#lineBytes > 0 || this.#segments.length > 0;
  }

  /** The next line is given out as it is (AUTHENTICATE, IDLE); only between commands. */
  readLine(): void {
    this.#lineMode = true;
  }

  /** Takes back `readLine` when the line is not waited for any more. */
  readCommands(): void {
    this.#lineMode = false;
  }

  /** Forgets all input, read or not: what came before a TLS handshake must not count after it. */
  discard(): void {
    this.#chunks = [];
    this.#at = 0;
    this.#pending = 0;
    this.#startAfresh();
    this.#lineMode = false;
  }

  /** Answers the `literal` event. `refuse` drops the command; a non-synchronising one is skipped. */
  decide(decision: LiteralDecision): void {
    if (this.#state.kind !== 'undecided') throw new RangeError('no literal waits for a decision');
    const { literal } = this.#state;
    if (decision === 'buffer') {
      this.#state = { kind: 'buffer', literal, left: literal.size, parts: [] };
    } else if (decision === 'stream') {
      this.#segments.push({ kind: 'literal', literal, bytes: null });
      this.#state = { kind: 'stream', left: literal.size };
    } else {
      this.#startAfresh();
      if (!literal.synchronising) this.#state = { kind: 'skip-literal', left: literal.size };
    }
  }

  /** The next event, or null when more input or a decision is needed. */
  next(): ReaderEvent | null {
    for (;;) {
      const before = this.#state.kind;
      const event = this.#step();
      if (event !== null) return event;
      // Without an event the reader either moved to another state or has no more input.
      if (this.#state.kind === before && this.#chunks.length === 0) return null;
      if (this.#state.kind === 'undecided') return null;
    }
  }

  #step(): ReaderEvent | null {
    const state = this.#state;
    switch (state.kind) {
      case 'line':
        return this.#readLine();
      case 'undecided':
        return null;
      case 'buffer':
        return this.#readBuffered(state);
      case 'stream':
        return this.#readStreamed(state);
      case 'skip-literal': {
        const chunk = this.#take(state.left);
        state.left -= chunk.length;
        if (state.left === 0) this.#state = { kind: 'skip-line' };
        return null;
      }
      case 'skip-line':
        return this.#skipLine();
    }
  }

  #readBuffered(state: Extract<State, { kind: 'buffer' }>): null {
    if (state.left > 0) {
      const chunk = this.#take(state.left);
      if (chunk.length > 0) state.parts.push(chunk);
      state.left -= chunk.length;
    }
    if (state.left === 0) {
      const [first = none] = state.parts;
      const bytes = state.parts.length < 2 ? first : Buffer.concat(state.parts);
      this.#segments.push({ kind: 'literal', literal: state.literal, bytes });
      this.#state = { kind: 'line' };
    }
    return null;
  }

  #readStreamed(state: Extract<State, { kind: 'stream' }>): ReaderEvent | null {
    if (state.left === 0) {
      this.#state = { kind: 'line' };
      return { kind: 'literal-end' };
    }
    const bytes = this.#take(state.left);
    state.left -= bytes.length;
    return bytes.length === 0 ? null : { kind: 'literal-chunk', bytes };
  }

  #readLine(): ReaderEvent | null {
    const line = this.#takeLine();
    if (line === null) return null;
    if (line === 'too-long') {
      const head = { segments: [...this.#segments, text(this.#joinedLine())] };
      const tail = new Uint8Array(this.#joinedLine().subarray(-tailBytes));
      this.#startAfresh();
      this.#lineMode = false;
      this.#line = [tail];
      this.#lineBytes = tail.length;
      this.#state = { kind: 'skip-line' };
      return { kind: 'too-long', head };
    }
    if (this.#lineMode && this.#segments.length === 0) {
      this.#lineMode = false;
      return { kind: 'line', bytes: line };
    }
    const marker = literalAt(line);
    if (marker !== null) {
      this.#segments.push(text(line.subarray(0, marker.start)));
      this.#commandBytes += line.length;
      this.#state = { kind: 'undecided', literal: marker.literal };
      return { kind: 'literal', literal: marker.literal, head: { segments: this.#segments } };
    }
    if (this.#segments.length === 0 && line.length === 0) return null;
    const command = { segments: [...this.#segments, text(line)] };
    this.#startAfresh();
    return { kind: 'command', command };
  }

  /** Skips to the line end, and over a non-synchronising literal that is announced there. */
  #skipLine(): null {
    const chunk = this.#chunks[0];
    if (chunk === undefined) return null;
    const end = chunk.indexOf(lineFeed, this.#at);
    const seen = this.#take((end < 0 ? chunk.length : end + 1) - this.#at);
    const tail = Buffer.concat([...this.#line, seen]).subarray(-tailBytes - 1);
    if (end < 0) {
      this.#line = [new Uint8Array(tail)];
      return null;
    }
    const marker = literalAt(withoutLineEnd(tail));
    this.#startAfresh();
    if (marker !== null && !marker.literal.synchronising) {
      this.#state = { kind: 'skip-literal', left: marker.literal.size };
    }
    return null;
  }

  /** One whole line without its end, null if it is not there yet, or the sign that it is too long. */
  #takeLine(): Uint8Array | 'too-long' | null {
    for (;;) {
      const chunk = this.#chunks[0];
      if (chunk === undefined) return null;
      const end = chunk.indexOf(lineFeed, this.#at);
      const room = this.#limits.lineBytesMax - this.#commandBytes - this.#lineBytes;
      const wanted = (end < 0 ? chunk.length : end) - this.#at;
      const piece = this.#take(Math.min(wanted, room + 1));
      // Only what waits for its end is kept beyond this call; a copy frees the large chunk.
      this.#line.push(end < 0 ? new Uint8Array(piece) : piece);
      this.#lineBytes += piece.length;
      if (piece.length > room) return 'too-long';
      if (end < 0) continue;
      this.#take(1);
      const line = withoutCarriageReturn(this.#joinedLine());
      this.#line = [];
      this.#lineBytes = 0;
      return line;
    }
  }

  #joinedLine(): Uint8Array {
    const [first = none] = this.#line;
    return this.#line.length < 2 ? first : Buffer.concat(this.#line);
  }

  /** Up to `count` octets of the first chunk, read. */
  #take(count: number): Uint8Array {
    const chunk = this.#chunks[0];
    if (chunk === undefined || count === 0) return none;
    const end = Math.min(chunk.length, this.#at + count);
    const out = chunk.subarray(this.#at, end);
    this.#at = end;
    this.#pending -= out.length;
    if (end === chunk.length) {
      this.#chunks.shift();
      this.#at = 0;
    }
    return out;
  }

  #startAfresh(): void {
    this.#state = { kind: 'line' };
    this.#line = [];
    this.#lineBytes = 0;
    this.#segments = [];
    this.#commandBytes = 0;
  }
}

const text = (bytes: Uint8Array): Segment => ({ kind: 'text', bytes });

function withoutLineEnd(line: Uint8Array): Uint8Array {
  return withoutCarriageReturn(line.at(-1) === lineFeed ? line.subarray(0, -1) : line);
}

function withoutCarriageReturn(line: Uint8Array): Uint8Array {
  return line.at(-1) === carriageReturn ? line.subarray(0, -1) : line;
}

/** The literal marker that ends `line`, and where it starts. */
function literalAt(line: Uint8Array): { start: number; literal: LiteralStart } | null {
  if (line.at(-1) !== 0x7d) return null;
  const tail = Buffer.from(line.subarray(-tailBytes)).toString('latin1');
  const match = /(~?)\{(\d{1,20})(\+?)\}$/.exec(tail);
  if (match === null) return null;
  const size = Math.min(Number(match[2]), Number.MAX_SAFE_INTEGER);
  const literal = { size, synchronising: match[3] === '', binary: match[1] === '~' };
  return { start: line.length - match[0].length, literal };
}
