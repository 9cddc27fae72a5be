// LIST (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154) and LSUB (RFC 3501 §6.3.9).
import { type CapabilityRow, command, signedInStates } from '../command.ts';
import { type ListedFolder, matchList, matchLsub } from '../list-match.ts';
import { writeList } from '../list-response.ts';
import type { Session } from '../session.ts';
import { wishOf, writeStatus } from '../status-response.ts';
import { expectListArguments, type ListArguments } from '../wire/decode-list.ts';
import { expectListPattern, expectMailbox } from '../wire/decode-mailbox.ts';
import type { StatusItem } from '../wire/decode-status.ts';

const announced: readonly CapabilityRow[] = [
  'CHILDREN',
  'LIST-EXTENDED',
  'LIST-STATUS',
  'SPECIAL-USE',
].map((name) => ({ name, when: (s: Session) => s.state !== 'not-authenticated' }));

export const list = command({
  name: 'LIST',
  states: signedInStates,
  capabilities: announced,
  rfc: 'RFC 9051 §6.3.9',
  parse: (dec) => {
    dec.expectSp();
    return expectListArguments(dec);
  },
  run: async (session, args) => {
    if (asksForSeparator(args)) {
      writeList(session.out.enc, { name: '', attributes: ['\\Noselect'] });
      return { text: 'That is the separator' };
    }
    const listed = matchList(await session.account.folders(), {
      reference: args.reference,
      patterns: args.patterns,
      ...args.select,
      tellSubscribed: args.select.subscribed || args.returns?.subscribed === true,
    });
    const items = args.returns?.status ?? null;
    if (items === null) await writeAll(session, listed);
    else await writeWithStatus(session, listed, items);
    return { text: 'That is all' };
  },
});

export const lsub = command({
  name: 'LSUB',
  states: signedInStates,
  rfc: 'RFC 3501 §6.3.9',
  parse: (dec) => {
    dec.expectSp();
    const reference = expectMailbox(dec);
    dec.expectSp();
    return { reference, pattern: expectListPattern(dec) };
  },
  run: async (session, { reference, pattern }) => {
    for (const line of matchLsub(await session.account.folders(), reference, pattern)) {
      writeList(session.out.enc, line);
      await session.out.relieve();
    }
    return { text: 'That is all' };
  },
});

/** `LIST "" ""` in the plain form (RFC 9051 §6.3.9). */
function asksForSeparator(args: ListArguments): boolean {
  return !args.extended && args.patterns[0] === '';
}

async function writeAll(session: Session, listed: readonly ListedFolder[]): Promise<void> {
  for (const line of listed) {
    writeList(session.out.enc, line);
    await session.out.relieve();
  }
}

async function writeWithStatus(
  session: Session,
  listed: readonly ListedFolder[],
  items: readonly StatusItem[],
): Promise<void> {
  const ids = listed.map(({ folder }) => folder?.id).filter((id) => id !== undefined);
  const counts = await session.account.statuses(ids, wishOf(items));
  if (items.includes('HIGHESTMODSEQ')) await session.enable('CONDSTORE');
  for (const line of listed) {
    writeList(session.out.enc, line);
    const id = line.folder?.id;
    const known = id === undefined ? undefined : counts.get(id);
    if (known !== undefined) writeStatus(session, line.name, known, items);
    await session.out.relieve();
  }
}
