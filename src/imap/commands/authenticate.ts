// AUTHENTICATE (RFC 9051 §6.2.2, RFC 4959): PLAIN (RFC 4616) and the LOGIN mechanism that older mail
// programs know, both over TLS only. One row of the table below a mechanism.
import { assertPrivate, signIn } from '../authentication.ts';
import { command } from '../command.ts';
import { ConnectionClosed } from '../output.ts';
import type { Session } from '../session.ts';
import { decodeBase64, expectInitialResponse } from '../wire/decode-base64.ts';
import { latin1, utf8 } from '../wire/decoder.ts';
import { ImapError } from '../wire/imap-error.ts';

interface Credentials {
  readonly name: string;
  readonly password: Uint8Array;
}

type Mechanism = (session: Session, initial: Uint8Array | null) => Promise<Credentials>;

const mechanisms: ReadonlyMap<string, Mechanism> = new Map<string, Mechanism>([
  ['PLAIN', plain],
  ['LOGIN', loginMechanism],
]);

const offered = (session: Session): boolean =>
  session.state === 'not-authenticated' && session.mayCarrySecrets;

export const authenticate = command({
  name: 'AUTHENTICATE',
  states: ['not-authenticated'],
  capabilities: [
    { name: 'SASL-IR', when: (s) => s.state === 'not-authenticated' },
    ...[...mechanisms.keys()].map((name) => ({ name: `AUTH=${name}`, when: offered })),
  ],
  rfc: 'RFC 9051 §6.2.2',
  parse: (dec) => {
    dec.expectSp();
    const mechanism = dec.expectKeyword('expected a mechanism');
    return { mechanism, initial: dec.sp() ? expectInitialResponse(dec) : null };
  },
  run: async (session, { mechanism, initial }) => {
    assertPrivate(session);
    const converse = mechanisms.get(mechanism);
    if (converse === undefined) throw new ImapError('NO', 'CANNOT', 'Unknown mechanism');
    const credentials = await converse(session, initial);
    return signIn(session, { ...credentials, mechanism });
  },
});

/** RFC 4616: authzid NUL authcid NUL password. Acting as someone else is not offered. */
async function plain(session: Session, initial: Uint8Array | null): Promise<Credentials> {
  const message = initial ?? (await ask(session, ''));
  const first = message.indexOf(0);
  const second = message.indexOf(0, first + 1);
  if (first < 0 || second < 0 || message.indexOf(0, second + 1) >= 0) {
    throw new ImapError('BAD', 'CLIENTBUG', 'Not a PLAIN message');
  }
  const name = utf8(message.subarray(first + 1, second));
  const as = utf8(message.subarray(0, first));
  if (as !== '' && as !== name) throw new ImapError('NO', 'AUTHORIZATIONFAILED', 'Not allowed');
  return { name, password: Uint8Array.from(message.subarray(second + 1)) };
}

async function loginMechanism(session: Session, initial: Uint8Array | null): Promise<Credentials> {
  const name = utf8(initial ?? (await ask(session, 'Username:')));
  return { name, password: Uint8Array.from(await ask(session, 'Password:')) };
}

async function ask(session: Session, challenge: string): Promise<Uint8Array> {
  const line = await session.door.ask(Buffer.from(challenge, 'latin1').toString('base64'));
  if (line === null) throw new ConnectionClosed('the client left within a sign-in');
  const text = latin1(line).trim();
  if (text === '*') throw new ImapError('BAD', null, 'Sign-in cancelled');
  const bytes = decodeBase64(text);
  if (bytes === null) throw new ImapError('BAD', 'CLIENTBUG', 'Not base64');
  return bytes;
}
