// NOOP and CHECK (RFC 9051 §6.1.2, RFC 3501 §6.4.1): the poll of clients that do not IDLE. Everything
// is durable at once here, so CHECK has nothing else to do.
import { anyState, command, noArguments } from '../command.ts';

export const noop = command({
  name: 'NOOP',
  states: anyState,
  rfc: 'RFC 9051 §6.1.2',
  effects: { refreshes: true },
  parse: noArguments,
  run: () => Promise.resolve({ text: 'Done' }),
});

export const check = command({
  name: 'CHECK',
  states: ['selected'],
  rfc: 'RFC 3501 §6.4.1',
  effects: { refreshes: true },
  parse: noArguments,
  run: () => Promise.resolve({ text: 'Done' }),
});
