// Keeps the header bytes of the part that is being read, across chunks, within one budget for the
// whole message; body bytes are never copied.

export interface KeptHeader {
  readonly bytes: Buffer;
  readonly truncated: boolean;
}

export class HeaderKeeper {
  #budget: number;
  /** Octets in all chunks before the current one. */
  #base = 0;
  #chunk: Buffer = Buffer.alloc(0);
  /** Header bytes of earlier chunks, from octet `#carryStart` on. */
  #carry: Buffer[] = [];
  #carryStart = 0;
  #carryBytes = 0;

  /** `budget` is the number of header octets that may be kept in all. */
  constructor(budget: number) {
    this.#budget = budget;
  }

  begin(chunk: Buffer): void {
    this.#chunk = chunk;
  }

  /** Ends a chunk; `headerStart` is the octet where an unfinished header began, or -1. */
  finish(headerStart: number): void {
    const end = this.#base + this.#chunk.length;
    if (headerStart < 0 || headerStart >= this.#base) {
      this.#carry = [];
      this.#carryBytes = 0;
      this.#carryStart = headerStart;
    }
    if (headerStart >= 0) {
      const from = Math.max(headerStart, this.#base) - this.#base;
      // One octet over the budget, so that `take` can tell that there was more.
      const room = this.#budget + 1 - this.#carryBytes;
      const piece = this.#chunk.subarray(from, from + Math.max(0, room));
      if (piece.length > 0) this.#carry.push(Buffer.from(piece));
      this.#carryBytes += piece.length;
    }
    this.#base = end;
    this.#chunk = Buffer.alloc(0);
  }

  /** The octets from `start` to `end`, as far as they were kept. */
  peek(start: number, end: number): Buffer {
    if (start >= this.#base) {
      return this.#chunk
        .subarray(start - this.#base, end - this.#base)
        .subarray(0, this.#budget + 1);
    }
    const kept = Buffer.concat(this.#carry).subarray(start - this.#carryStart);
    const whole =
      end > this.#base ? Buffer.concat([kept, this.#chunk.subarray(0, end - this.#base)]) : kept;
    return whole.subarray(0, Math.min(end - start, this.#budget + 1));
  }

  /** As `peek`, within the budget, which shrinks by what is given out. */
  take(start: number, end: number): KeptHeader {
    const bytes = this.peek(start, end).subarray(0, this.#budget);
    this.#budget -= bytes.length;
    return { bytes, truncated: bytes.length < end - start };
  }
}
