// STORE (RFC 9051 §6.4.6, RFC 7162 §3.1.3).
import { command, type CommandCall, type Completion } from '../command.ts';
import type { MessageList } from '../message-list.ts';
import { flagsAt } from '../selected-mailbox.ts';
import type { Session } from '../session.ts';
import type { ModSeq } from '../../kernel/ids.ts';
import type { StoreResult } from '../../mailbox/types.ts';
import { expectNumSet } from '../wire/decode-set.ts';
import { expectStoreArguments, type StoreArguments } from '../wire/decode-store.ts';
import type { NumSet } from '../wire/num-set.ts';
import { formatRanges, rangesOfSorted } from '../wire/ranges.ts';

export const store = command({
  name: 'STORE',
  uid: true,
  states: ['selected'],
  rfc: 'RFC 9051 §6.4.6',
  effects: { usesSequence: true },
  parse: (dec, call) => {
    dec.expectSp();
    const set = expectNumSet(dec, call.uid);
    dec.expectSp();
    return { set, ...expectStoreArguments(dec) };
  },
  run: runStore,
});

async function runStore(
  session: Session,
  args: StoreArguments & { readonly set: NumSet },
  call: CommandCall,
): Promise<Completion> {
  const { mailbox } = session;
  mailbox.assertWritable();
  if (args.unchangedSince !== null) await session.enable('CONDSTORE');
  const messages = mailbox.resolve(args.set, session.saved);
  const keywords = mailbox.view.keywords().length;
  const result = await mailbox.view.store({
    uids: messages.uids(),
    op: args.operation,
    flags: args.flags,
    actor: session.signedIn.actor,
    ...(args.unchangedSince === null ? {} : { unchangedSince: args.unchangedSince as ModSeq }),
  });
  // A new keyword is told before the first message that carries it.
  if (mailbox.view.keywords().length > keywords) mailbox.writeFlags(session);
  await answer(session, { messages, result, silent: args.silent, uid: call.uid });
  if (result.modified.length === 0) return { text: 'Stored' };
  return { code: `MODIFIED ${modifiedSet(messages, result, call)}`, text: 'Some had changed' };
}

/** Losers of UNCHANGEDSINCE, in the numbers of the command. */
function modifiedSet(messages: MessageList, result: StoreResult, call: CommandCall): string {
  const lost = new Set<number>(result.modified);
  const numbers = [...messages]
    .filter(({ uid }) => lost.has(uid))
    .map(({ uid, index }) => (call.uid ? uid : index + 1));
  return formatRanges(rangesOfSorted(numbers));
}

async function answer(
  session: Session,
  stored: {
    readonly messages: MessageList;
    readonly result: StoreResult;
    readonly silent: boolean;
    readonly uid: boolean;
  },
): Promise<void> {
  const { mailbox, out } = session;
  const { messages, result, silent, uid } = stored;
  const changed = new Map<number, StoreResult['changed'][number]>(
    result.changed.map((change) => [change.uid, change]),
  );
  const modified = new Set<number>(result.modified);
  const snapshot = mailbox.view.snapshot();
  for (const message of messages) {
    const now = changed.get(message.uid);
    const told = { ...flagsAt(snapshot, message), ...now };
    if (silent) {
      // RFC 7162 §3.1.3: .SILENT hides the flags, not the new mod-sequence.
      if (now === undefined || !session.condstore) continue;
      out.enc.raw(`* ${told.seq} FETCH (UID ${told.uid} MODSEQ (${told.modseq}))\r\n`);
    } else if (!modified.has(message.uid)) {
      mailbox.writeFlagsOf(session, told, uid);
    }
    await out.relieve();
  }
}
