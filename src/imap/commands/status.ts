// STATUS (RFC 9051 §6.3.11, RFC 8438, RFC 7162 §3.1.7).
import { command, signedInStates } from '../command.ts';
import { writeStatus } from '../status-response.ts';
import { expectMailbox } from '../wire/decode-mailbox.ts';
import { expectStatusItems } from '../wire/decode-status.ts';
import { ImapError } from '../wire/imap-error.ts';

export const status = command({
  name: 'STATUS',
  states: signedInStates,
  capabilities: [{ name: 'STATUS=SIZE', when: (s) => s.state !== 'not-authenticated' }],
  rfc: 'RFC 9051 §6.3.11',
  parse: (dec) => {
    dec.expectSp();
    const mailbox = expectMailbox(dec);
    dec.expectSp();
    return { mailbox, items: expectStatusItems(dec) };
  },
  run: async (session, { mailbox, items }) => {
    const folder = await session.folder(mailbox);
    if (folder === null) {
      throw new ImapError('NO', 'NONEXISTENT', 'There is no such mailbox');
    }
    if (items.includes('HIGHESTMODSEQ')) await session.enable('CONDSTORE');
    writeStatus(session, folder.name, await session.account.status(folder.id), items);
    return { text: 'That is how it stands' };
  },
});
