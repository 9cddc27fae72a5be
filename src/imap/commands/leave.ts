// CLOSE and UNSELECT (RFC 9051 §6.4.1, §6.4.2). CLOSE takes `\Deleted` messages out of the view without
// telling; the archive's records stay.
import { command, noArguments } from '../command.ts';

export const close = command({
  name: 'CLOSE',
  states: ['selected'],
  rfc: 'RFC 9051 §6.4.1',
  effects: { tellsNothing: true },
  parse: noArguments,
  run: async (session) => {
    const { mailbox } = session;
    if (!mailbox.readOnly) await mailbox.view.expunge({ actor: session.signedIn.actor });
    session.unselect();
    return { text: 'Closed' };
  },
});

export const unselect = command({
  name: 'UNSELECT',
  states: ['selected'],
  capabilities: [{ name: 'UNSELECT' }],
  rfc: 'RFC 9051 §6.4.2',
  effects: { tellsNothing: true },
  parse: noArguments,
  run: (session) => {
    session.unselect();
    return Promise.resolve({ text: 'Left' });
  },
});
