// A command as it came off the wire, framed but not yet understood (RFC 9051 §2.2.1, §4.3).

/** The `{size}` at the end of a line: RFC 9051 §4.3, RFC 7888 (`+`), RFC 3516 (`~`). */
export interface LiteralStart {
  /** Octets that follow, below 2^53. */
  readonly size: number;
  /** The client waits for a continuation request before it sends them. */
  readonly synchronising: boolean;
  /** literal8: NUL may occur. */
  readonly binary: boolean;
}

/**
 * Text between literals, without line ends and literal markers, or a literal. `bytes` is null
 * when the consumer streamed the literal away, or has not yet been asked about it.
 */
export type Segment =
  | { readonly kind: 'text'; readonly bytes: Uint8Array }
  | { readonly kind: 'literal'; readonly literal: LiteralStart; readonly bytes: Uint8Array | null };

export interface RawCommand {
  /** Text and literals by turns; begins and ends with a text, which may be empty. */
  readonly segments: readonly Segment[];
}
