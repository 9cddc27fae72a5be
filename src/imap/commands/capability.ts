// CAPABILITY (RFC 9051 §6.1.1).
import { anyState, command, noArguments } from '../command.ts';

export const capability = command({
  name: 'CAPABILITY',
  states: anyState,
  capabilities: [{ name: 'IMAP4rev1' }, { name: 'IMAP4rev2' }],
  rfc: 'RFC 9051 §6.1.1',
  parse: noArguments,
  run: (session) => {
    session.out.enc.raw(`* CAPABILITY ${session.capabilities}\r\n`);
    return Promise.resolve({ text: 'That is what I can do' });
  },
});
