// What LOGIN and AUTHENTICATE share (RFC 9051 §6.2): no password without TLS, a delay and a count for
// failures, and the account opened under the grant of its sign-in event.
import { setTimeout as delay } from 'node:timers/promises';
import { PostsealError } from '../kernel/errors.ts';
import { Secret } from '../kernel/secret.ts';
import type { Completion } from './command.ts';
import { ConnectionClosed } from './output.ts';
import type { Session } from './session.ts';
import { ImapError } from './wire/imap-error.ts';

/** @throws ImapError NO [PRIVACYREQUIRED] */
export function assertPrivate(session: Session): void {
  if (!session.mayCarrySecrets) {
    throw new ImapError('NO', 'PRIVACYREQUIRED', 'Sign-in needs TLS');
  }
}

/** Signs in; the bytes of the password are zeroed whatever happens. */
export async function signIn(
  session: Session,
  credentials: { readonly name: string; readonly password: Uint8Array; readonly mechanism: string },
): Promise<Completion> {
  assertPrivate(session);
  const { deps, door } = session;
  const password = new Secret(credentials.password);
  try {
    const signedIn = await deps.signIn.account(credentials.name, password, {
      ip: door.address,
      listener: door.listener,
      tls: door.tls,
      mechanism: credentials.mechanism,
    });
    const account = await deps.mailboxes.openAccount(signedIn.account, {
      session: signedIn.session,
      purpose: 'sign-in',
      events: [signedIn.event],
    });
    try {
      session.signIn(signedIn, account);
    } catch (error) {
      account.close();
      await deps.signIn.accountEnded(signedIn, 'too many sessions');
      throw error;
    }
  } catch (error) {
    if (isRefusal(error)) await punish(session);
    throw error;
  } finally {
    password.destroy();
  }
  return { code: `CAPABILITY ${session.capabilities}`, text: 'Signed in' };
}

function isRefusal(error: unknown): boolean {
  return (
    error instanceof PostsealError &&
    (error.code === 'access.credentials' || error.code === 'access.locked')
  );
}

/** Guessing is slow, and after some failures needs a new connection. */
async function punish(session: Session): Promise<void> {
  const { failedSignInMs, failedSignInsMax } = session.deps.settings;
  session.failedSignIns += 1;
  await delay(failedSignInMs);
  if (session.failedSignIns < failedSignInsMax) return;
  await session.out.line('* BYE Too many failed sign-ins');
  session.door.end();
  throw new ConnectionClosed('too many failed sign-ins');
}
