// FETCH (RFC 9051 §6.4.5, RFC 3501 §6.4.5, RFC 7162 §3.1.4, RFC 3516).
import { command, type CommandCall, type Completion } from '../command.ts';
import { planFetch } from '../fetch-plan.ts';
import { runFetch } from '../fetch-run.ts';
import type { MessageList } from '../message-list.ts';
import type { Session } from '../session.ts';
import { expectFetchArguments, type FetchArguments } from '../wire/decode-fetch.ts';
import { expectNumSet } from '../wire/decode-set.ts';
import type { FetchItem } from '../wire/fetch-item.ts';
import { ImapError } from '../wire/imap-error.ts';
import { type NumSet, resolveSet } from '../wire/num-set.ts';
import type { ModSeq } from '../../kernel/ids.ts';
import { tellVanished } from '../resync.ts';

export const fetch = command({
  name: 'FETCH',
  uid: true,
  states: ['selected'],
  capabilities: [{ name: 'BINARY' }, { name: 'CONDSTORE' }],
  rfc: 'RFC 9051 §6.4.5',
  effects: { usesSequence: true },
  parse: (dec, call) => {
    dec.expectSp();
    const set = expectNumSet(dec, call.uid);
    dec.expectSp();
    return { set, ...expectFetchArguments(dec) };
  },
  run,
});

async function run(
  session: Session,
  args: FetchArguments & { readonly set: NumSet },
  call: CommandCall,
): Promise<Completion> {
  const { changedSince, vanished } = args.modifiers;
  if (vanished && (!session.qresync || !call.uid || changedSince === null)) {
    throw new ImapError('BAD', 'CLIENTBUG', 'VANISHED needs QRESYNC, UID FETCH and CHANGEDSINCE');
  }
  const asksModSeq = changedSince !== null || args.items.some(({ kind }) => kind === 'modseq');
  if (asksModSeq) await session.enable('CONDSTORE');
  const items = completed(args.items, { uid: call.uid, modSeq: changedSince !== null });
  const messages = session.mailbox.resolve(args.set, session.saved);
  if (vanished && args.set.kind === 'uid' && changedSince !== null) {
    const { mailbox } = session;
    const among = resolveSet(args.set, mailbox.view.snapshot().uidNext - 1);
    await tellVanished(session, mailbox, { since: changedSince as ModSeq, among });
  }
  await runFetch(session, planFetch(items), since(session, messages, changedSince));
  return { text: 'Fetched' };
}

/** UID FETCH always tells UID, CHANGEDSINCE always MODSEQ. */
function completed(
  items: readonly FetchItem[],
  wanted: { readonly uid: boolean; readonly modSeq: boolean },
): readonly FetchItem[] {
  const has = (kind: FetchItem['kind']): boolean => items.some((item) => item.kind === kind);
  const uid: FetchItem[] = wanted.uid && !has('uid') ? [{ kind: 'uid' }] : [];
  const modSeq: FetchItem[] = wanted.modSeq && !has('modseq') ? [{ kind: 'modseq' }] : [];
  return [...uid, ...items, ...modSeq];
}

function since(session: Session, messages: MessageList, changedSince: number | null): MessageList {
  if (changedSince === null) return messages;
  const snapshot = session.mailbox.view.snapshot();
  return messages.filter((index) => snapshot.modseq(index) > changedSince);
}
