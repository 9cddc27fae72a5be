// STARTTLS (RFC 9051 §6.2.1): what was sent before the handshake is forgotten by the connection.
import { command, noArguments } from '../command.ts';
import type { Session } from '../session.ts';
import { ImapError } from '../wire/imap-error.ts';

const offered = (session: Session): boolean =>
  session.door.canStartTls && session.deps.secureContext !== undefined;

export const startTls = command({
  name: 'STARTTLS',
  states: ['not-authenticated'],
  capabilities: [{ name: 'STARTTLS', when: (s) => s.state === 'not-authenticated' && offered(s) }],
  rfc: 'RFC 9051 §6.2.1',
  parse: noArguments,
  run: (session) => {
    if (!session.door.canStartTls) throw new ImapError('BAD', 'CLIENTBUG', 'TLS is active');
    if (!offered(session)) throw new ImapError('NO', 'CANNOT', 'TLS is not set up');
    return Promise.resolve({ text: 'Begin TLS', after: () => session.door.startTls() });
  },
});
