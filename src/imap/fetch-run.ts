// Runs a FETCH over many messages in blocks: facts, keys and bodies of a block are asked for at once,
// small messages are read ahead while one is written, and a message that cannot be opened fails the
// command only after all others were told.
import { PostsealError } from '../kernel/errors.ts';
import type { Uid } from '../kernel/ids.ts';
import { andBits, seenBit } from '../mailbox/flags/bits.ts';
import type { MessageFacts } from '../mailbox/types.ts';
import type { OpenGrant } from '../vault/keys/types.ts';
import {
  type OpenedMessage,
  prepareMessage,
  type PreparedMessage,
  writePlainMessage,
} from './fetch-message.ts';
import type { FetchPlan } from './fetch-plan.ts';
import { oneAhead } from './read-ahead.ts';
import { ReadGrants } from './read-grant.ts';
import type { MessageList, ViewMessage } from './message-list.ts';
import { type FlagsOf, flagsAt } from './selected-mailbox.ts';
import type { Session } from './session.ts';
import type { FetchItem } from './wire/fetch-item.ts';
import { ImapError } from './wire/imap-error.ts';

/** Messages in a block, by what they need. */
const blockOf = { none: 2_000, metadata: 128, octets: 32, body: 32 } as const;
/** Messages read ahead while one is written, if they are small. */
const aheadMax = 8;
const smallBytesMax = 131_072;

/** What keeps one message from being told; the others are told all the same. */
type Failure = PostsealError | ImapError;
type Opened = OpenedMessage | Failure;

/** Tells all messages. @throws the first error of a message, when all others were told */
export async function runFetch(
  session: Session,
  plan: FetchPlan,
  messages: MessageList,
): Promise<void> {
  const failures: Failure[] = [];
  if (plan.purpose === null) {
    for (let at = 0; at < messages.length; at += blockOf.none) {
      const block = messages.slice(at, at + blockOf.none);
      const facts = plan.needsFacts ? await factsOf(session, block) : new Map<Uid, MessageFacts>();
      await writePlainBlock(session, { plan, block, facts, failures });
    }
  } else {
    await runGranted(session, plan, { messages, failures });
  }
  if (failures[0] !== undefined) throw failures[0];
}

async function runGranted(
  session: Session,
  plan: FetchPlan,
  run: { readonly messages: MessageList; readonly failures: Failure[] },
): Promise<void> {
  if (plan.purpose === null) return;
  const grants = new ReadGrants(session, plan.purpose, run.messages);
  const before = session.out.bytes;
  try {
    const blocks = oneAhead(async () => {
      const { block, grant } = await grants.next(blockOf[plan.need]);
      return block.length === 0 ? null : openBlock(session, { plan, block, grant });
    });
    for await (const opened of blocks) {
      await writeBlock(session, { plan, opened, failures: run.failures });
    }
  } finally {
    grants.ended(session.out.bytes - before);
  }
}

const isFailure = (value: unknown): value is Failure =>
  value instanceof PostsealError || value instanceof ImapError;

async function factsOf(
  session: Session,
  block: readonly ViewMessage[],
): Promise<Map<Uid, MessageFacts>> {
  const facts = await session.mailbox.view.facts(block.map(({ uid }) => uid));
  return new Map(facts.map((fact) => [fact.uid, fact]));
}

function openedWithoutKeys(
  session: Session,
  message: ViewMessage,
  facts: ReadonlyMap<Uid, MessageFacts>,
): OpenedMessage {
  const flags = flagsAt(session.mailbox.view.snapshot(), message);
  return { flags, facts: facts.get(message.uid), metadata: undefined, body: undefined };
}

async function openBlock(
  session: Session,
  ask: {
    readonly plan: FetchPlan;
    readonly block: readonly ViewMessage[];
    readonly grant: OpenGrant;
  },
): Promise<Opened[]> {
  const { plan, block, grant } = ask;
  const { archive } = session.deps;
  const facts = await factsOf(session, block);
  const known = block.filter(({ uid }) => facts.has(uid));
  const refs = known.map(({ uid }) => facts.get(uid)?.record).filter((ref) => ref !== undefined);
  const [metadata, bodies] = await Promise.all([
    plan.needsMetadata ? archive.openMetadata(grant, refs) : [],
    plan.need === 'body' || plan.need === 'octets' ? archive.openBodies(grant, refs) : [],
  ]);
  const places = new Map(known.map(({ uid }, place) => [uid, place]));
  return block.map((message): Opened => {
    const place = places.get(message.uid);
    // Expunged by another session and gone: RFC 2180 §4.1.
    if (place === undefined) return new PostsealError('key.destroyed', { uid: message.uid });
    const [cell, body] = [metadata[place], bodies[place]];
    if (cell instanceof PostsealError) return cell;
    if (body instanceof PostsealError) return body;
    return { ...openedWithoutKeys(session, message, facts), metadata: cell, body };
  });
}

async function writePlainBlock(
  session: Session,
  run: {
    readonly plan: FetchPlan;
    readonly block: readonly ViewMessage[];
    readonly facts: ReadonlyMap<Uid, MessageFacts>;
    readonly failures: Failure[];
  },
): Promise<void> {
  const { plan, block, facts, failures } = run;
  for (const message of block) {
    if (plan.needsFacts && !facts.has(message.uid)) {
      failures.push(new PostsealError('key.destroyed', { uid: message.uid }));
      continue;
    }
    writePlainMessage(session, openedWithoutKeys(session, message, facts), plan.items);
    if (session.out.isFull) await session.out.relieve();
  }
}

async function writeBlock(
  session: Session,
  block: {
    readonly plan: FetchPlan;
    readonly opened: readonly Opened[];
    readonly failures: Failure[];
  },
): Promise<void> {
  const { plan, opened, failures } = block;
  const good = opened.filter((message): message is OpenedMessage => {
    if (!isFailure(message)) return true;
    failures.push(message);
    return false;
  });
  const seen = plan.marksSeen ? await markSeen(session, good) : new Map<Uid, FlagsOf>();
  const read = readAhead(plan, good, seen);
  for await (const prepared of read) {
    if (isFailure(prepared)) failures.push(prepared);
    else await prepared.write(session);
  }
}

/** Prepares in order, some messages ahead of the one that is being written. */
async function* readAhead(
  plan: FetchPlan,
  messages: readonly OpenedMessage[],
  seen: ReadonlyMap<Uid, FlagsOf>,
): AsyncGenerator<PreparedMessage | Failure> {
  const pending: Promise<PreparedMessage | Failure>[] = [];
  let next = 0;
  for (;;) {
    while (next < messages.length && pending.length < aheadMax) {
      const message = messages[next];
      if (message === undefined) break;
      const small = (message.facts?.size ?? 0) <= smallBytesMax;
      if (pending.length > 0 && !small) break;
      pending.push(prepareOrFail(plan, message, seen.get(message.flags.uid)));
      next += 1;
      if (!small) break;
    }
    const first = pending.shift();
    if (first === undefined) return;
    yield await first;
  }
}

async function prepareOrFail(
  plan: FetchPlan,
  message: OpenedMessage,
  seen: FlagsOf | undefined,
): Promise<PreparedMessage | Failure> {
  try {
    if (seen === undefined) return await prepareMessage(message, plan.items);
    return await prepareMessage({ ...message, flags: seen }, withFlags(plan.items));
  } catch (error) {
    if (isFailure(error)) return error;
    throw error;
  }
}

/** RFC 9051 §6.4.5: who sets `\Seen` by reading is told so in the same answer. */
function withFlags(items: readonly FetchItem[]): readonly FetchItem[] {
  return items.some((item) => item.kind === 'flags') ? items : [...items, { kind: 'flags' }];
}

async function markSeen(
  session: Session,
  messages: readonly OpenedMessage[],
): Promise<Map<Uid, FlagsOf>> {
  const { mailbox } = session;
  const unseen = messages.filter(({ flags }) => andBits(flags.flags, seenBit) === 0);
  if (mailbox.readOnly || unseen.length === 0) return new Map();
  const { changed } = await mailbox.view.store({
    uids: unseen.map(({ flags }) => flags.uid),
    op: 'add',
    flags: ['\\Seen'],
    actor: session.signedIn.actor,
  });
  const now = new Map(changed.map((change) => [change.uid, change]));
  return new Map(
    unseen.flatMap(({ flags }) => {
      const change = now.get(flags.uid);
      return change === undefined ? [] : [[flags.uid, { ...flags, ...change }] as const];
    }),
  );
}
