// The one error of the grammar: what a client sent is not IMAP. The connection answers
// `BAD [CLIENTBUG]` and counts it (RFC 9051 §7.1). Its text may be sent, so it never quotes input.

/** Text that is not in the grammar of RFC 9051/3501; `position` is the byte offset in the command. */
export class GrammarError extends Error {
  override readonly name = 'GrammarError';
  readonly position: number;
  constructor(expected: string, position: number) {
    super(expected);
    this.position = position;
  }
}
