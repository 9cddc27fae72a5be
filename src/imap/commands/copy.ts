// COPY and MOVE (RFC 9051 §6.4.7, §6.4.8; RFC 4315 §3, RFC 6851).
import { type Command, command, type CommandCall, type Completion } from '../command.ts';
import type { Session } from '../session.ts';
import type { CopyResult } from '../../mailbox/types.ts';
import type { MailboxId } from '../../kernel/ids.ts';
import { expectMailbox } from '../wire/decode-mailbox.ts';
import { expectNumSet } from '../wire/decode-set.ts';
import type { Decoder } from '../wire/decoder.ts';
import { ImapError } from '../wire/imap-error.ts';
import type { NumSet } from '../wire/num-set.ts';
import { formatRanges, rangesOfSorted } from '../wire/ranges.ts';

interface CopyArguments {
  readonly set: NumSet;
  readonly mailbox: string;
}

export const copy: Command = command({
  name: 'COPY',
  uid: true,
  states: ['selected'],
  rfc: 'RFC 9051 §6.4.7',
  parse: parseCopy,
  run: async (session, args): Promise<Completion> => {
    const to = await target(session, args.mailbox);
    const uids = session.mailbox.resolve(args.set, session.saved).uids();
    if (uids.length === 0) return { text: 'Nothing to copy' };
    const result = await session.mailbox.view.copy({ uids, to, actor: session.signedIn.actor });
    return { ...codeOf(result), text: 'Copied' };
  },
});

export const move: Command = command({
  name: 'MOVE',
  uid: true,
  states: ['selected'],
  capabilities: [{ name: 'MOVE' }],
  rfc: 'RFC 9051 §6.4.8',
  parse: parseCopy,
  run: async (session, args): Promise<Completion> => {
    session.mailbox.assertWritable();
    const to = await target(session, args.mailbox);
    const uids = session.mailbox.resolve(args.set, session.saved).uids();
    if (uids.length === 0) return { text: 'Nothing to move' };
    const result = await session.mailbox.view.move({ uids, to, actor: session.signedIn.actor });
    // RFC 6851 §4.3: the new uids are told before the old ones vanish.
    const { code } = codeOf(result);
    if (code !== undefined) session.out.enc.raw(`* OK [${code}] Moved\r\n`);
    return { text: 'Moved' };
  },
});

function parseCopy(dec: Decoder, call: CommandCall): CopyArguments {
  dec.expectSp();
  const set = expectNumSet(dec, call.uid);
  dec.expectSp();
  return { set, mailbox: expectMailbox(dec) };
}

async function target(session: Session, name: string): Promise<MailboxId> {
  const folder = await session.folder(name);
  if (folder === null) throw new ImapError('NO', 'TRYCREATE', 'There is no such mailbox');
  return folder.id;
}

/** COPYUID pairs by position, so both sets keep the order of the result. */
function codeOf(result: CopyResult): { code?: string } {
  if (result.from.length === 0) return {};
  const from = formatRanges(rangesOfSorted(result.from));
  const to = formatRanges(rangesOfSorted(result.to));
  return { code: `COPYUID ${result.uidValidity} ${from} ${to}` };
}
