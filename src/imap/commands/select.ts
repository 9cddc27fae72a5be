// SELECT and EXAMINE (RFC 9051 §6.3.2, §6.3.3, RFC 3501 §6.3.1, RFC 7162 §3.1.8).
import { type Command, command, type Completion, signedInStates } from '../command.ts';
import { andBits, seenBit } from '../../mailbox/flags/bits.ts';
import { tellResync } from '../resync.ts';
import { SelectedMailbox } from '../selected-mailbox.ts';
import type { Session } from '../session.ts';
import { expectSelectArguments, type SelectArguments } from '../wire/decode-select.ts';
import { ImapError } from '../wire/imap-error.ts';
import { writeList } from '../list-response.ts';

export const select = selecting('SELECT', 'RFC 9051 §6.3.2', 'read-write');
export const examine = selecting('EXAMINE', 'RFC 9051 §6.3.3', 'read-only');

function selecting(name: string, rfc: string, mode: 'read-write' | 'read-only'): Command {
  return command({
    name,
    states: signedInStates,
    rfc,
    capabilities: name === 'SELECT' ? [{ name: 'QRESYNC' }] : [],
    // The whole picture is told here; news since then come with the next command.
    effects: { tellsNothing: true },
    parse: (dec) => {
      dec.expectSp();
      return expectSelectArguments(dec);
    },
    run: (session, args) => open(session, args, mode),
  });
}

async function open(
  session: Session,
  args: SelectArguments,
  wanted: 'read-write' | 'read-only',
): Promise<Completion> {
  const mode = (await session.deps.mayChange()) ? wanted : 'read-only';
  // RFC 9051 §6.3.2: the old mailbox is left even if the new one cannot be opened.
  if (session.unselect()) session.out.enc.raw('* OK [CLOSED] The other mailbox was left\r\n');
  if (args.qresync !== null && !session.qresync) {
    throw new ImapError('BAD', 'CLIENTBUG', 'QRESYNC is not enabled');
  }
  if (args.condstore) await session.enable('CONDSTORE');
  const { account } = session;
  const mailbox = await account.at(
    args.mailbox,
    async ({ id, name, nameTag }) =>
      new SelectedMailbox(await account.open(id, mode, nameTag), name),
  );
  if (mailbox === undefined) {
    throw new ImapError('NO', 'NONEXISTENT', 'There is no such mailbox');
  }
  try {
    await recordSelection(session, mailbox);
  } catch (error) {
    mailbox.close();
    throw error;
  }
  session.select(mailbox);
  tell(session, mailbox);
  if (session.rev2) writeList(session.out.enc, { name: mailbox.name, attributes: [] });
  if (args.qresync !== null) await tellResync(session, mailbox, args.qresync);
  return { code: mode === 'read-only' ? 'READ-ONLY' : 'READ-WRITE', text: 'Selected' };
}

function tell(session: Session, mailbox: SelectedMailbox): void {
  const { view } = mailbox;
  const snapshot = view.snapshot();
  const enc = session.out.enc;
  mailbox.writeFlags(session);
  enc.raw(`* ${snapshot.uids.length} EXISTS\r\n`);
  if (!session.rev2) {
    enc.raw(`* ${view.recentCount} RECENT\r\n`);
    const unseen = firstUnseen(mailbox);
    if (unseen !== null) enc.raw(`* OK [UNSEEN ${unseen}] First unseen\r\n`);
  }
  enc.raw(`* OK [UIDVALIDITY ${view.uidValidity}] Uids are valid\r\n`);
  enc.raw(`* OK [UIDNEXT ${snapshot.uidNext}] Next uid\r\n`);
  enc.raw(`* OK [HIGHESTMODSEQ ${snapshot.highestModSeq}] Highest mod-sequence\r\n`);
}

/** Sequence number of the first message without `\Seen`. */
function firstUnseen(mailbox: SelectedMailbox): number | null {
  const snapshot = mailbox.view.snapshot();
  const count = snapshot.uids.length;
  for (let index = 0; index < count; index += 1) {
    if (andBits(snapshot.flags(index), seenBit) === 0) return index + 1;
  }
  return null;
}

/** Durable before the answer, as every look into a mailbox. */
async function recordSelection(session: Session, mailbox: SelectedMailbox): Promise<void> {
  const { signedIn, deps } = session;
  await deps.committer.record({
    op: 'mailbox.selected',
    outcome: 'success',
    actor: signedIn.actor,
    objects: [
      { t: 'mbx', id: mailbox.id },
      { t: 'cus', id: signedIn.account.custodian },
    ],
    fields: { mode: mailbox.view.mode },
  });
}
