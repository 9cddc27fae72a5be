// Cuts a byte stream into lines, whatever the chunks are, without keeping more than the beginning of
// one line. A line ends with LF or CRLF. Bare CR ends lines only in a message whose very first line
// ends so (old Macintosh mail); elsewhere it is an ordinary octet, as it is for IMAP servers.

/** Octets of a line that are kept when it spans chunks; longer than any delimiter that counts. */
export const lineKeptBytes = 8_112;

export interface LineSink {
  /**
   * One line. `bytes[start, end)` is its content, cut after at least `lineKeptBytes` octets if
   * the line spans chunks. `offset`, `contentEnd` and `next` are octets of the whole stream: where
   * the line begins, where its line end begins, and where the next line begins.
   */
  line(
    bytes: Buffer,
    start: number,
    end: number,
    offset: number,
    contentEnd: number,
    next: number,
  ): void;
}

const lf = 10;
const cr = 13;

export class LineSplitter {
  readonly #sink: LineSink;
  /** Octets in all chunks before the current one. */
  #base = 0;
  #mode: 'unknown' | 'lf' | 'cr' = 'unknown';
  /** A begun line: its offset or -1, and the octets kept of it. */
  #pendingOffset = -1;
  #pending: Buffer = Buffer.alloc(0);
  #lastByte = -1;

  constructor(sink: LineSink) {
    this.#sink = sink;
  }

  /** The octet that ends lines, as far as it is known. */
  get lineEnd(): '\n' | '\r' {
    return this.#mode === 'cr' ? '\r' : '\n';
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    let at = this.#pendingOffset < 0 ? 0 : this.#finishPending(chunk);
    while (at < chunk.length) {
      const found = this.#terminator(chunk, at);
      if (found < 0) break;
      const end = this.#contentEnd(chunk, at, found);
      const next = this.#next(chunk, found);
      const base = this.#base;
      this.#sink.line(chunk, at, end, base + at, base + end, base + next);
      at = next;
    }
    if (at < chunk.length) this.#keep(chunk, at);
    this.#lastByte = chunk[chunk.length - 1] ?? -1;
    this.#base += chunk.length;
  }

  /** Hands out a last line without a line end; answers the octets seen in all. */
  end(): number {
    if (this.#pendingOffset >= 0) {
      const loneCr = this.#lastByte === cr && this.#mode !== 'lf';
      this.#emitPending(loneCr ? this.#base - 1 : this.#base, this.#base);
    }
    return this.#base;
  }

  /** Index of the octet that ends the line begun before or at `at`, or -1. */
  #terminator(chunk: Buffer, at: number): number {
    if (this.#mode === 'unknown') this.#decideMode(chunk, at);
    if (this.#mode === 'lf') return chunk.indexOf(lf, at);
    if (this.#mode === 'unknown') return -1;
    for (let i = at; i < chunk.length; i += 1) {
      if (chunk[i] === lf) return i;
      // The last CR of a chunk waits: the next octet may be its LF.
      if (chunk[i] === cr) return i + 1 < chunk.length ? i : -1;
    }
    return -1;
  }

  #decideMode(chunk: Buffer, at: number): void {
    for (let i = at; i < chunk.length; i += 1) {
      if (chunk[i] === lf) {
        this.#mode = 'lf';
        return;
      }
      if (chunk[i] !== cr || i + 1 === chunk.length) continue;
      // CR CR LF is a damaged CRLF, not a Macintosh line end.
      this.#mode = chunk[i + 1] === lf || chunk[i + 1] === cr ? 'lf' : 'cr';
      return;
    }
  }

  #contentEnd(chunk: Buffer, at: number, found: number): number {
    return found > at && chunk[found] === lf && chunk[found - 1] === cr ? found - 1 : found;
  }

  #next(chunk: Buffer, found: number): number {
    return chunk[found] === cr && chunk[found + 1] === lf ? found + 2 : found + 1;
  }

  #finishPending(chunk: Buffer): number {
    const waitsForLf = this.#lastByte === cr && this.#mode !== 'lf';
    if (waitsForLf && this.#mode === 'unknown') {
      this.#mode = chunk[0] === lf || chunk[0] === cr ? 'lf' : 'cr';
    }
    if (waitsForLf && this.#mode === 'cr') {
      const next = chunk[0] === lf ? 1 : 0;
      this.#emitPending(this.#base - 1, this.#base + next);
      return next;
    }
    const found = this.#terminator(chunk, 0);
    if (found < 0) {
      this.#keep(chunk, 0);
      return chunk.length;
    }
    let contentEnd = this.#base + this.#contentEnd(chunk, 0, found);
    if (found === 0 && chunk[0] === lf && this.#lastByte === cr) contentEnd -= 1;
    this.#keep(chunk.subarray(0, found), 0);
    const next = this.#next(chunk, found);
    this.#emitPending(contentEnd, this.#base + next);
    return next;
  }

  #keep(chunk: Buffer, at: number): void {
    if (this.#pendingOffset < 0) {
      this.#pendingOffset = this.#base + at;
      this.#pending = Buffer.from(chunk.subarray(at, at + lineKeptBytes));
      return;
    }
    const room = lineKeptBytes - this.#pending.length;
    if (room > 0 && at < chunk.length) {
      this.#pending = Buffer.concat([this.#pending, chunk.subarray(at, at + room)]);
    }
  }

  #emitPending(contentEnd: number, next: number): void {
    const offset = this.#pendingOffset;
    const kept = this.#pending;
    this.#pendingOffset = -1;
    this.#sink.line(kept, 0, Math.min(kept.length, contentEnd - offset), offset, contentEnd, next);
  }
}
