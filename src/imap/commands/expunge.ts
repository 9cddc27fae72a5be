// EXPUNGE and UID EXPUNGE (RFC 9051 §6.4.3, §6.4.9, RFC 4315 §2.1). What vanished is told as news, from
// the highest number down; the archive's records stay.
import { command } from '../command.ts';
import { expectNumSet } from '../wire/decode-set.ts';

export const expunge = command({
  name: 'EXPUNGE',
  uid: true,
  states: ['selected'],
  capabilities: [{ name: 'UIDPLUS' }],
  rfc: 'RFC 9051 §6.4.3',
  parse: (dec, call) => {
    if (!call.uid) return null;
    dec.expectSp();
    return expectNumSet(dec, true);
  },
  run: async (session, set) => {
    const { mailbox } = session;
    mailbox.assertWritable();
    const uids = set === null ? null : mailbox.resolve(set, session.saved).uids();
    const { modseq } = await mailbox.view.expunge({
      actor: session.signedIn.actor,
      ...(uids === null ? {} : { uids }),
    });
    const code = session.condstore ? { code: `HIGHESTMODSEQ ${modseq}` } : {};
    return { ...code, text: 'Expunged' };
  },
});
