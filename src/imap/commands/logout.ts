// LOGOUT (RFC 9051 §6.1.3).
import { anyState, command, noArguments } from '../command.ts';

export const logout = command({
  name: 'LOGOUT',
  states: anyState,
  rfc: 'RFC 9051 §6.1.3',
  effects: { tellsNothing: true },
  parse: noArguments,
  run: (session) => {
    session.loggedOut = true;
    session.out.enc.raw('* BYE Goodbye\r\n');
    return Promise.resolve({
      text: 'Signed out',
      after: () => {
        session.door.end();
        return Promise.resolve();
      },
    });
  },
});
