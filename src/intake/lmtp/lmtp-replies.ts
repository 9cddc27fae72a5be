// Replies of LMTP by the code of an error (RFC 5321 §4.2, RFC 3463): what may be tried again is 4xx.
import { type ErrorCode, PostsealError } from '../../kernel/errors.ts';

/** An answer that refuses; `message` begins with the enhanced status code. */
export class LmtpRefusal extends Error {
  readonly responseCode: number;
  constructor(responseCode: number, message: string) {
    super(message);
    this.name = 'LmtpRefusal';
    this.responseCode = responseCode;
  }
}

const replies: Readonly<Partial<Record<ErrorCode, readonly [number, string]>>> = {
  'limit.message-size': [552, '5.3.4 message is larger than this archive takes'],
  'home.disk-full': [452, '4.3.1 the archive is out of space'],
  'intake.busy': [451, '4.3.2 the archive is busy, try again later'],
  'ledger.stalled': [451, '4.3.2 the ledger is behind, try again later'],
  'key.unavailable': [451, '4.3.0 the key service does not answer, try again later'],
  'restore.unsigned': [451, '4.3.2 the archive was restored and is read-only, try again later'],
  'database.unreachable': [451, '4.3.0 the database does not answer, try again later'],
};

/** Any failure as a reply. What is not known to be final is temporary: the sender keeps the mail. */
export function lmtpReply(error: unknown): LmtpRefusal {
  if (error instanceof LmtpRefusal) return error;
  const known = error instanceof PostsealError ? replies[error.code] : undefined;
  const [code, text] = known ?? [451, '4.3.0 the message could not be archived, try again later'];
  return new LmtpRefusal(code, text);
}
