// STATUS (RFC 9051 §6.3.11, RFC 8438, RFC 7162 §3.1.7).
import { command, signedInStates } from '../command.ts';
import { wishOf, writeStatus } from '../status-response.ts';
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
    const { account } = session;
    const found = await account.at(mailbox, async ({ id, name, nameTag }) => ({
      name,
      counts: await account.status(id, wishOf(items), nameTag),
    }));
    if (found === undefined) {
      throw new ImapError('NO', 'NONEXISTENT', 'There is no such mailbox');
    }
    if (items.includes('HIGHESTMODSEQ')) await session.enable('CONDSTORE');
    writeStatus(session, found.name, found.counts, items);
    return { text: 'That is how it stands' };
  },
});
