// A refusal that is sent to the client as it stands (RFC 9051 §7.1): status, response code, text.

export type ResponseStatus = 'OK' | 'NO' | 'BAD';

/**
 * Ends a command with `tag STATUS [CODE] text`. `code` is the finished inside of the brackets or
 * null. The text never holds anything internal.
 */
export class ImapError extends Error {
  override readonly name = 'ImapError';
  readonly status: 'NO' | 'BAD';
  readonly code: string | null;
  constructor(status: 'NO' | 'BAD', code: string | null, text: string, cause?: unknown) {
    super(text, cause === undefined ? undefined : { cause });
    this.status = status;
    this.code = code;
  }
}
