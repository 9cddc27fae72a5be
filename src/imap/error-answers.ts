// What a client is told when a room above refuses (RFC 9051 §7.1): one table from our error codes to
// response codes. Anything that is not in it is a fault of ours and tells nothing but that.
import { type ErrorCode, PostsealError } from '../kernel/errors.ts';
import { GrammarError } from './wire/grammar-error.ts';
import { ImapError } from './wire/imap-error.ts';

interface Answer {
  readonly code: string;
  readonly text: string;
}

const answers: Readonly<Partial<Record<ErrorCode, Answer>>> = {
  'access.credentials': { code: 'AUTHENTICATIONFAILED', text: 'Name or password is wrong' },
  'access.denied': { code: 'NOPERM', text: 'You are not allowed to do this' },
  'access.locked': { code: 'AUTHENTICATIONFAILED', text: 'Name or password is wrong' },
  'home.disk-full': { code: 'UNAVAILABLE', text: 'The archive takes nothing in just now' },
  'integrity.format': { code: 'CORRUPTION', text: 'Stored bytes do not verify' },
  'integrity.pack': { code: 'CORRUPTION', text: 'Stored bytes do not verify' },
  'integrity.tag': { code: 'CORRUPTION', text: 'Stored bytes do not verify' },
  'key.destroyed': { code: 'EXPUNGEISSUED', text: 'The message was erased' },
  'key.limited': { code: 'LIMIT', text: 'Too much was opened in a short time' },
  'key.refused': { code: 'NOPERM', text: 'The key service refused to open it' },
  'limit.message-size': { code: 'TOOBIG', text: 'The message is too large' },
  'limit.reached': { code: 'LIMIT', text: 'A limit is reached' },
  'mailbox.exists': { code: 'ALREADYEXISTS', text: 'The mailbox exists' },
  'mailbox.name': { code: 'CANNOT', text: 'The mailbox name is not allowed' },
  'mailbox.protected': { code: 'CANNOT', text: 'This mailbox cannot be deleted or renamed' },
  'restore.unsigned': { code: 'UNAVAILABLE', text: 'The archive was restored and is read-only' },
  'mailbox.unknown': { code: 'NONEXISTENT', text: 'There is no such mailbox' },
};

/** An answer, and whether the fault is ours and belongs in the log. */
export interface ErrorAnswer {
  readonly status: 'NO' | 'BAD';
  readonly code: string | null;
  readonly text: string;
  readonly ours: boolean;
  /** The client broke the grammar. */
  readonly clientBug: boolean;
}

export function answerOf(error: unknown): ErrorAnswer {
  if (error instanceof ImapError) {
    const { status, code, message: text } = error;
    return { status, code, text, ours: false, clientBug: code === 'CLIENTBUG' };
  }
  if (error instanceof GrammarError) {
    const text = `Syntax error at octet ${error.position}: ${error.message}`;
    return { status: 'BAD', code: 'CLIENTBUG', text, ours: false, clientBug: true };
  }
  if (error instanceof PostsealError) {
    const answer = answers[error.code];
    const ours = answer?.code === 'CORRUPTION';
    if (answer !== undefined) return { status: 'NO', ...answer, ours, clientBug: false };
    if (error.retryable) {
      const text = 'Try again later';
      return { status: 'NO', code: 'UNAVAILABLE', text, ours: false, clientBug: false };
    }
  }
  const text = 'Something went wrong inside';
  return { status: 'NO', code: 'SERVERBUG', text, ours: true, clientBug: false };
}
