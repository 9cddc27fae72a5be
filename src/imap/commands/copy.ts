// COPY and MOVE (RFC 9051 §6.4.7, §6.4.8; RFC 4315 §3, RFC 6851).
import { type Command, command, type CommandCall, type Completion } from '../command.ts';
import type { Session } from '../session.ts';
import type { CopyInput, CopyResult } from '../../mailbox/types.ts';
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
    const result = await transfer(session, args, (input) => session.mailbox.view.copy(input));
    if (result === null) return { text: 'Nothing to copy' };
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
    const result = await transfer(session, args, (input) => session.mailbox.view.move(input));
    if (result === null) return { text: 'Nothing to move' };
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

/** Null when the set names no message. */
async function transfer(
  session: Session,
  args: CopyArguments,
  act: (input: CopyInput) => Promise<CopyResult>,
): Promise<CopyResult | null> {
  const { account, signedIn } = session;
  const result = await account.at(args.mailbox, async ({ id: to, nameTag: toNameTag }) => {
    const uids = session.mailbox.resolve(args.set, session.saved).uids();
    if (uids.length > 0) return act({ uids, to, toNameTag, actor: signedIn.actor });
    // Nobody else looks whether the target is still there.
    return (await account.place(args.mailbox, { now: true })) === undefined ? undefined : null;
  });
  if (result === undefined) throw new ImapError('NO', 'TRYCREATE', 'There is no such mailbox');
  return result;
}

/** COPYUID pairs by position, so both sets keep the order of the result. */
function codeOf(result: CopyResult): { code?: string } {
  if (result.from.length === 0) return {};
  const from = formatRanges(rangesOfSorted(result.from));
  const to = formatRanges(rangesOfSorted(result.to));
  return { code: `COPYUID ${result.uidValidity} ${from} ${to}` };
}
