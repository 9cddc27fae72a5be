// Runs a FETCH over many messages in blocks: facts, keys and bodies of a block are asked for at once,
// small messages are read ahead while one is written, and a message that cannot be opened fails the
// command only after all others were told.
import { PostsealError } from '../kernel/errors.ts';
import type { SeqNum, Uid } from '../kernel/ids.ts';
import { andBits, seenBit } from '../mailbox/flags/bits.ts';
import { TimeSlice } from '../mailbox/state/time-slice.ts';
import type { MessageFacts } from '../mailbox/types.ts';
import type { OpenGrant } from '../vault/keys/types.ts';
import { prepareMessage, type PreparedMessage, writeAtOnce } from './fetch-message.ts';
import type { FetchPlan } from './fetch-plan.ts';
import { oneAhead } from './read-ahead.ts';
import { ReadGrants } from './read-grant.ts';
import { type OpenedMessage, type ReadyItems, readyItems } from './ready-items.ts';
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

/** One command. */
interface Run {
  readonly session: Session;
  readonly plan: FetchPlan;
  readonly items: ReadyItems;
  /** For messages that the command marks as seen. */
  readonly itemsOfSeen: ReadyItems;
  readonly failures: Failure[];
}

/** Tells all messages. @throws the first error of a message, when all others were told */
export async function runFetch(
  session: Session,
  plan: FetchPlan,
  messages: MessageList,
): Promise<void> {
  const items = readyItems(session, plan.items);
  const itemsOfSeen = plan.marksSeen ? readyItems(session, withFlags(plan.items)) : items;
  const run: Run = { session, plan, items, itemsOfSeen, failures: [] };
  if (plan.purpose === null) {
    for (let at = 0; at < messages.length; at += blockOf.none) {
      const block = messages.slice(at, at + blockOf.none);
      await writeBlock(run, await openBlock(run, block, null));
    }
  } else {
    const grants = new ReadGrants(session, plan.purpose, messages);
    await runGranted(run, grants);
  }
  if (run.failures[0] !== undefined) throw run.failures[0];
}

async function runGranted(run: Run, grants: ReadGrants): Promise<void> {
  const { out } = run.session;
  const before = out.bytes;
  try {
    const blocks = oneAhead(async () => {
      const { block, grant } = await grants.next(blockOf[run.plan.need]);
      return block.length === 0 ? null : openBlock(run, block, grant);
    });
    for await (const opened of blocks) await writeBlock(run, opened);
  } finally {
    grants.ended(out.bytes - before);
  }
}

const isFailure = (value: unknown): value is Failure =>
  value instanceof PostsealError || value instanceof ImapError;

/** In the order of the block, which like the answer ascends by uid. */
async function factsOf(
  session: Session,
  block: readonly ViewMessage[],
): Promise<(MessageFacts | undefined)[]> {
  const facts = await session.mailbox.view.facts(block.map(({ uid }) => uid));
  let at = 0;
  return block.map(({ uid }) => {
    const fact = facts[at];
    if (fact?.uid !== uid) return undefined;
    at += 1;
    return fact;
  });
}

/** `grant` null: nothing sealed is asked for. */
async function openBlock(
  { session, plan }: Run,
  block: readonly ViewMessage[],
  grant: OpenGrant | null,
): Promise<Opened[]> {
  const { archive } = session.deps;
  const facts = plan.needsFacts ? await factsOf(session, block) : [];
  const refs = facts.flatMap((fact) => (fact === undefined ? [] : [fact.record]));
  const readsBody = plan.need === 'body' || plan.need === 'octets';
  const [metadata, bodies] = await Promise.all([
    grant !== null && plan.needsMetadata ? archive.openMetadata(grant, refs) : [],
    grant !== null && readsBody ? archive.openBodies(grant, refs) : [],
  ]);
  const snapshot = session.mailbox.view.snapshot();
  let place = 0;
  return block.map((message, at): Opened => {
    const { uid } = message;
    // Expunged by another session and gone: RFC 2180 §4.1.
    if (plan.needsFacts && facts[at] === undefined) {
      return new PostsealError('key.destroyed', { uid });
    }
    const [cell, body] = [metadata[place], bodies[place]];
    place += 1;
    if (cell instanceof PostsealError) return cell;
    if (body instanceof PostsealError) return body;
    const seq = (message.index + 1) as SeqNum;
    const flags = plan.needsFlags ? flagsAt(snapshot, message) : null;
    return { seq, uid, flags, facts: facts[at], metadata: cell, body };
  });
}

async function writeBlock(run: Run, opened: readonly Opened[]): Promise<void> {
  const { session, plan, failures } = run;
  const good = opened.filter((message): message is OpenedMessage => {
    if (!isFailure(message)) return true;
    failures.push(message);
    return false;
  });
  const seen = plan.marksSeen ? await markSeen(session, good) : new Map<Uid, FlagsOf>();
  const told = good.map((message): Line => {
    const flags = seen.get(message.uid);
    if (flags === undefined) return { message, items: run.items };
    return { message: { ...message, flags }, items: run.itemsOfSeen };
  });
  if (run.items.tells !== null) return tellLines(run, told);
  for await (const prepared of readAhead(told)) {
    if (isFailure(prepared)) failures.push(prepared);
    else await prepared.write(session);
  }
}

/** A message and what is told of it. */
interface Line {
  readonly message: OpenedMessage;
  readonly items: ReadyItems;
}

/** Lines for which nothing has to be read, without a promise for each. */
async function tellLines({ session, failures }: Run, lines: readonly Line[]): Promise<void> {
  const slice = new TimeSlice();
  for (const { message, items } of lines) {
    try {
      writeAtOnce(session, message, items);
    } catch (error) {
      if (!isFailure(error)) throw error;
      failures.push(error);
    }
    if (session.out.isFull) await session.out.relieve();
    else if (slice.isUsedUp) await slice.rest();
  }
}

/** Prepares in order, some messages ahead of the one that is being written. */
async function* readAhead(lines: readonly Line[]): AsyncGenerator<PreparedMessage | Failure> {
  const pending: Promise<PreparedMessage | Failure>[] = [];
  let next = 0;
  for (;;) {
    while (next < lines.length && pending.length < aheadMax) {
      const line = lines[next];
      if (line === undefined) break;
      const small = (line.message.facts?.size ?? 0) <= smallBytesMax;
      if (pending.length > 0 && !small) break;
      pending.push(prepareOrFail(line));
      next += 1;
      if (!small) break;
    }
    const first = pending.shift();
    if (first === undefined) return;
    yield await first;
  }
}

async function prepareOrFail({ message, items }: Line): Promise<PreparedMessage | Failure> {
  try {
    return await prepareMessage(message, items);
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
  const unseen = messages.flatMap(({ flags }) =>
    flags === null || andBits(flags.flags, seenBit) !== 0 ? [] : [flags],
  );
  if (mailbox.readOnly || unseen.length === 0) return new Map();
  const { changed } = await mailbox.view.store({
    uids: unseen.map(({ uid }) => uid),
    op: 'add',
    flags: ['\\Seen'],
    actor: session.signedIn.actor,
  });
  const now = new Map(changed.map((change) => [change.uid, change]));
  return new Map(
    unseen.flatMap((before) => {
      const change = now.get(before.uid);
      return change === undefined ? [] : [[before.uid, { ...before, ...change }] as const];
    }),
  );
}
