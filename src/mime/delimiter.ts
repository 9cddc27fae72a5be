// Multipart delimiters that are open at a point of a message (RFC 2046 §5.1.1). A line is a delimiter
// if it begins with two hyphens and the boundary and then ends, or goes on with white space or two
// more hyphens. The longest boundary wins, then the innermost: one may be the prefix of another.

/** Longer boundaries are not read; RFC 2046 allows 70 octets. */
export const boundaryBytesMax = 8_000;

export interface DelimiterMatch {
  /** Depth of the multipart as given to `open`. */
  readonly depth: number;
  readonly closing: boolean;
}

const hyphen = 45;

export class OpenDelimiters {
  readonly #open: { readonly depth: number; readonly boundary: Buffer }[] = [];

  get size(): number {
    return this.#open.length;
  }

  /** Adds the boundary (latin1) of the multipart at `depth`; depths only grow. */
  open(depth: number, boundary: string): void {
    this.#open.push({ depth, boundary: Buffer.from(`--${boundary}`, 'latin1') });
  }

  /** Forgets every boundary at `depth` and deeper. */
  close(depth: number): void {
    let last = this.#open.at(-1);
    while (last !== undefined && last.depth >= depth) {
      this.#open.pop();
      last = this.#open.at(-1);
    }
  }

  /** Work is bounded by the line's length times the depth limit. */
  match(bytes: Buffer, start: number, end: number): DelimiterMatch | null {
    if (end - start < 2 || bytes[start] !== hyphen || bytes[start + 1] !== hyphen) return null;
    let best: DelimiterMatch | null = null;
    let bestLength = 0;
    for (let i = this.#open.length - 1; i >= 0; i -= 1) {
      const entry = this.#open[i];
      if (entry === undefined || entry.boundary.length <= bestLength) continue;
      const after = start + entry.boundary.length;
      const closing = after + 1 < end && bytes[after] === hyphen && bytes[after + 1] === hyphen;
      if (after > end || !(closing || endsAt(bytes, after, end))) continue;
      if (entry.boundary.compare(bytes, start, after) !== 0) continue;
      best = { depth: entry.depth, closing };
      bestLength = entry.boundary.length;
    }
    return best;
  }
}

const endsAt = (bytes: Buffer, at: number, end: number): boolean =>
  at === end || bytes[at] === 32 || bytes[at] === 9 || bytes[at] === 13;
