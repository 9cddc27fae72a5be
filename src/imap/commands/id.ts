// ID (RFC 2971), before and after sign-in. What a client says is shown to those who run the server and
// never changes what it gets.
import { anyState, command } from '../command.ts';
import { expectIdParameters } from '../wire/decode-id.ts';

const shown = ['name', 'version', 'os', 'os-version', 'vendor'];

export const id = command({
  name: 'ID',
  states: anyState,
  capabilities: [{ name: 'ID' }],
  rfc: 'RFC 2971 §3.1',
  parse: (dec) => {
    dec.expectSp();
    return expectIdParameters(dec);
  },
  run: (session, fields) => {
    const told = shown.map((name) => fields.get(name) ?? '').filter((value) => value !== '');
    if (told.length > 0) session.trace.client = told.join(' ').slice(0, 200);
    const enc = session.out.enc;
    enc.raw('* ID ("name" "Postseal" "version" ').string(session.deps.version).raw(')\r\n');
    return Promise.resolve({ text: 'Pleased to meet you' });
  },
});
