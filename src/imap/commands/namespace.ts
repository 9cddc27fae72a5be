// NAMESPACE (RFC 9051 §6.3.10, RFC 2342): one personal namespace, separated by `/`.
import { command, noArguments, signedInStates } from '../command.ts';

export const namespace = command({
  name: 'NAMESPACE',
  states: signedInStates,
  capabilities: [{ name: 'NAMESPACE', when: (s) => s.state !== 'not-authenticated' }],
  rfc: 'RFC 9051 §6.3.10',
  parse: noArguments,
  run: (session) => {
    session.out.enc.raw('* NAMESPACE (("" "/")) NIL NIL\r\n');
    return Promise.resolve({ text: 'That is all' });
  },
});
