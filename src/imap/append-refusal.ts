// A message that APPEND does not take: an event before the answer, like every refusal of mail
// (docs/security/refusals.md).
import { type ErrorCode, PostsealError } from '../kernel/errors.ts';
import { ConnectionClosed } from './output.ts';
import type { Session } from './session.ts';
import { ImapError } from './wire/imap-error.ts';

/** Of refusals by response code (RFC 9051 §7.1), in the words that LMTP uses too. */
const wordsOfCodes: Readonly<Record<string, string>> = {
  CANNOT: 'empty',
  TOOBIG: 'too-large',
  TRYCREATE: 'no-mailbox',
};

/** What a client did wrong; anything else is a failure of ours and is told by its code. */
const wordsOfErrors: Readonly<Partial<Record<ErrorCode, string>>> = {
  'limit.message-size': 'too-large',
  'limit.reached': 'limit',
  'mailbox.unknown': 'no-mailbox',
};

function deniedFor(error: unknown): string | undefined {
  if (error instanceof ImapError) return wordsOfCodes[error.code ?? ''] ?? 'not-taken';
  return error instanceof PostsealError ? wordsOfErrors[error.code] : undefined;
}

/**
 * Runs a step of APPEND; what it throws is recorded, then thrown.
 * @throws whatever keeps a refusal from being recorded, instead of the refusal.
 */
export async function recordRefusal<T>(session: Session, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    // Who left before the end gets no answer.
    if (error instanceof ConnectionClosed) throw error;
    await tell(session, error);
    throw error;
  }
}

async function tell(session: Session, error: unknown): Promise<void> {
  const { actor, account } = session.signedIn;
  const denied = deniedFor(error);
  const failed = error instanceof PostsealError ? error.code : 'internal';
  const told = session.deps.refusals.tell({
    op: 'mail.rejected',
    outcome: denied === undefined ? 'failure' : 'denied',
    actor,
    objects: [{ t: 'acc', id: account.id }],
    fields: { source: 'append', reason: denied ?? failed },
  });
  // What keeps the message out often keeps the event out too: it is counted, and told once it can be.
  await (denied === undefined ? told.catch(() => undefined) : told);
}
