// STORE, EXPUNGE, COPY and MOVE as operations of the committer: uids cut into parts that an event can
// name, one event a part. Rows decide what happens; the state in memory only proposes candidates.
import { randomUUID } from 'node:crypto';
import { part } from '../../archive/committer/types.ts';
import { assert } from '../../kernel/errors.ts';
import type { MailboxId, ModSeq, Uid, UidValidity } from '../../kernel/ids.ts';
import type { Actor, EventDraft } from '../../ledger/event/draft.ts';
import type { EventName } from '../../ledger/event/registry.ts';
import { messagesDraft } from '../drafts.ts';
import { allFlagBits, hasBit, orBits, systemFlags } from '../flags/bits.ts';
import { flagBits, translateKeywords } from '../flags/flag-resolver.ts';
import type { NameSealer } from '../names/name-sealer.ts';
import { expungeKind } from '../parts/expunge.store.ts';
import { flagsKind } from '../parts/flags.store.ts';
import { transferKind } from '../parts/transfer.store.ts';
import type { Room } from '../room.ts';
import type { MailboxState } from '../state/mailbox-state.ts';
import type { CopyInput, CopyResult, StoreInput, StoreResult } from '../types.ts';
import { type UidPart, uidParts } from '../uid-parts.ts';

export interface CommandScope {
  readonly room: Room;
  readonly sealer: NameSealer;
  readonly state: MailboxState;
}

export async function storeFlags(scope: CommandScope, input: StoreInput): Promise<StoreResult> {
  const { room, sealer, state } = scope;
  const { op, actor, unchangedSince } = input;
  const bits = await flagBits(room, sealer, {
    key: state.key,
    names: input.flags,
    actor,
    allot: op !== 'remove',
  });
  const removed = op === 'set' ? allFlagBits : op === 'remove' ? bits : 0;
  const added = op === 'remove' ? 0 : bits;
  const fields = { op, bits, ...(unchangedSince === undefined ? {} : { since: unchangedSince }) };
  const modified: Uid[] = [];
  const changed: StoreResult['changed'][number][] = [];
  for (const { uids, draft } of drafts('message.flags-changed', scope, actor, input.uids, fields)) {
    const { outputs } = await room.committer.commit({
      events: [draft],
      parts: [
        part(flagsKind, {
          ...state.key,
          uids,
          removed,
          added,
          unchangedSince,
          sink: room.states,
          deltas: [],
        }),
      ],
    });
    modified.push(...outputs[0].modified);
    changed.push(...outputs[0].changed);
  }
  return { modified, changed };
}

export async function expungeDeleted(
  scope: CommandScope,
  input: { readonly uids?: readonly Uid[]; readonly actor: Actor },
): Promise<{ expunged: Uid[]; modseq: ModSeq }> {
  const { room, state } = scope;
  await state.freshen(room.trustMs);
  const candidates = deletedUids(state, input.uids);
  const expunged: Uid[] = [];
  let modseq = state.highestModseq;
  for (const { uids, draft } of drafts('message.expunged', scope, input.actor, candidates)) {
    const { outputs } = await room.committer.commit({
      events: [draft],
      parts: [part(expungeKind, { ...state.key, uids, sink: room.states, deltas: [] })],
    });
    expunged.push(...outputs[0].uids);
    modseq = outputs[0].modseq ?? modseq;
  }
  return { expunged, modseq };
}

function deletedUids(state: MailboxState, among: readonly Uid[] | undefined): Uid[] {
  const wanted = among === undefined ? undefined : new Set<number>(among);
  const { messages } = state;
  const out: Uid[] = [];
  for (let i = 0; i < messages.count; i += 1) {
    if (!hasBit(messages.flagsAt(i), systemFlags['\\Deleted'])) continue;
    const uid = messages.uidAt(i);
    if (wanted === undefined || wanted.has(uid)) out.push(uid as Uid);
  }
  return out;
}

/** One operation: RFC 9051 §6.4.7 wants all copies or none. */
export async function copyMessages(scope: CommandScope, input: CopyInput): Promise<CopyResult> {
  const parts = drafts('message.copied', scope, input.actor, input.uids, {}, input.to);
  const [first, ...more] = parts;
  if (first === undefined) return nothingMoved(scope, input.to);
  const keywords = await keywordsOf(scope, input);
  const { outputs } = await scope.room.committer.commit({
    events: [first.draft, ...more.map(({ draft }) => draft)],
    parts: parts.map(({ uids }, i) =>
      part(transferKind, { ...transferInput(scope, input, uids, keywords), leave: false }, i),
    ),
  });
  return joined(outputs);
}

/** Part by part: RFC 6851 §3.3 wants each message whole, not all of them together. */
export async function moveMessages(scope: CommandScope, input: CopyInput): Promise<CopyResult> {
  const parts = drafts('message.moved', scope, input.actor, input.uids, {}, input.to);
  if (parts.length === 0) return nothingMoved(scope, input.to);
  const keywords = await keywordsOf(scope, input);
  const results: CopyResult[] = [];
  for (const { uids, draft } of parts) {
    // Once something has arrived there, that mailbox is the target, whatever it is called meanwhile.
    const toNameTag = results.length === 0 ? input.toNameTag : undefined;
    const { outputs } = await scope.room.committer.commit({
      events: [draft],
      parts: [
        part(transferKind, {
          ...transferInput(scope, { ...input, toNameTag }, uids, keywords),
          leave: true,
        }),
      ],
    });
    results.push(outputs[0]);
  }
  return joined(results);
}

function transferInput(
  { room, state }: CommandScope,
  { to, toNameTag }: CopyInput,
  uids: readonly Uid[],
  keywords: readonly { readonly from: number; readonly to: number }[],
) {
  const { custodian, mailbox: from } = state.key;
  return { custodian, from, to, toNameTag, uids, keywords, sink: room.states, deltas: [] };
}

async function keywordsOf(
  { room, sealer, state }: CommandScope,
  { uids, to, toNameTag, actor }: CopyInput,
) {
  await state.freshen(room.trustMs);
  const { messages, key } = state;
  let used = 0;
  for (const uid of uids) {
    const index = messages.indexOf(uid);
    if (index >= 0) used = orBits(used, messages.flagsAt(index));
  }
  const target = { custodian: key.custodian, mailbox: to };
  return translateKeywords(room, sealer, { from: key, to: target, toNameTag, actor }, used);
}

async function nothingMoved({ room, state }: CommandScope, to: MailboxId): Promise<CopyResult> {
  const target = await room.states.acquire({ custodian: state.key.custodian, mailbox: to });
  room.states.release(to);
  return { uidValidity: target.uidValidity, from: [], to: [] };
}

function joined(results: readonly CopyResult[]): CopyResult {
  const [first] = results;
  assert(first !== undefined, 'a transfer has a part');
  return {
    uidValidity: first.uidValidity,
    from: results.flatMap(({ from }) => from),
    to: results.flatMap(({ to }) => to),
  };
}

/** Cuts the uids and writes the event of each part. */
function drafts(
  op: EventName,
  { state }: CommandScope,
  actor: Actor,
  uids: readonly Uid[],
  fields: NonNullable<EventDraft['fields']> = {},
  to?: MailboxId,
): (UidPart & { readonly draft: EventDraft })[] {
  const parts = uidParts(uids);
  const of = randomUUID();
  const where: { mailbox: MailboxId; uidValidity: UidValidity; to?: MailboxId } = {
    mailbox: state.key.mailbox,
    uidValidity: state.uidValidity,
    ...(to === undefined ? {} : { to }),
  };
  return parts.map((piece, i) => {
    const place = parts.length === 1 ? undefined : { of, i: i + 1, n: parts.length };
    const what = { uids: piece.text, n: piece.uids.length, fields };
    return { ...piece, draft: messagesDraft(op, actor, where, what, place) };
  });
}
