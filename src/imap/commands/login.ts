// LOGIN (RFC 9051 §6.2.3).
import { signIn } from '../authentication.ts';
import { command } from '../command.ts';
import { utf8 } from '../wire/decoder.ts';

export const login = command({
  name: 'LOGIN',
  states: ['not-authenticated'],
  capabilities: [
    {
      name: 'LOGINDISABLED',
      when: (s) => s.state === 'not-authenticated' && !s.mayCarrySecrets,
    },
  ],
  rfc: 'RFC 9051 §6.2.3',
  parse: (dec) => {
    dec.expectSp();
    const name = dec.expectAstring('expected a name');
    dec.expectSp();
    // A copy: zeroing it must not reach into the buffer of the socket, nor the other way round.
    return {
      name: utf8(name),
      password: Uint8Array.from(dec.expectAstring('expected a password')),
    };
  },
  run: (session, args) => signIn(session, { ...args, mechanism: 'LOGIN' }),
});
