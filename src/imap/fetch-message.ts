// One message of a FETCH (RFC 9051 §7.5.2): everything that can fail is read before the first octet of
// its line is written; a large section then streams in bounded pieces.
import { PostsealError } from '../kernel/errors.ts';
import type { BodyReader, RecordMetadata } from '../archive/types.ts';
import type { MessageFacts } from '../mailbox/types.ts';
import { answerItem, answerWhole, type ItemAnswer, itemNeed } from './items/index.ts';
import { ConnectionClosed } from './output.ts';
import { type FlagsOf } from './selected-mailbox.ts';
import type { Session } from './session.ts';
import { formatDateTime } from './wire/decode-date.ts';
import type { FetchItem } from './wire/fetch-item.ts';

/** Sections up to this size are read at once; larger ones stream. */
export const wholeBytesMax = 262_144;

export interface OpenedMessage {
  readonly flags: FlagsOf;
  readonly facts: MessageFacts | undefined;
  readonly metadata: RecordMetadata | undefined;
  readonly body: BodyReader | undefined;
}

type Write = (session: Session) => Promise<void> | void;

/** Items that need no key. */
type OwnItem = Extract<
  FetchItem,
  { kind: 'flags' | 'uid' | 'modseq' | 'internaldate' | 'rfc822.size' }
>;

const writeOwn: Readonly<Record<OwnItem['kind'], (session: Session, m: OpenedMessage) => void>> = {
  flags: (session, { flags }) => {
    const names = session.mailbox.flagNames(session, flags.uid, flags.flags);
    session.out.enc.raw('FLAGS ').flags(names);
  },
  uid: ({ out }, { flags }) => void out.enc.raw(`UID ${flags.uid}`),
  modseq: ({ out }, { flags }) => void out.enc.raw(`MODSEQ (${flags.modseq})`),
  internaldate: ({ out }, { facts }) =>
    void out.enc.raw(`INTERNALDATE "${formatDateTime(present(facts).internalDate)}"`),
  'rfc822.size': ({ out }, { facts }) => void out.enc.raw(`RFC822.SIZE ${present(facts).size}`),
};

const isOwn = (item: FetchItem): item is OwnItem => Object.hasOwn(writeOwn, item.kind);
const needsFacts = (item: OwnItem): boolean =>
  item.kind === 'internaldate' || item.kind === 'rfc822.size';

/** Writes a message of items that need no key; the quick way for whole mailboxes. */
export function writePlainMessage(
  session: Session,
  message: OpenedMessage,
  items: readonly FetchItem[],
): void {
  const { enc } = session.out;
  enc.raw(`* ${message.flags.seq} FETCH (`);
  let first = true;
  for (const item of items) {
    if (!isOwn(item)) continue;
    if (!first) enc.sp();
    first = false;
    writeOwn[item.kind](session, message);
  }
  enc.raw(')\r\n');
}

/** The line of one message, ready to be written. */
export interface PreparedMessage {
  readonly write: Write;
}

/** Reads what the items need. @throws PostsealError */
export async function prepareMessage(
  message: OpenedMessage,
  items: readonly FetchItem[],
): Promise<PreparedMessage> {
  const writes: Write[] = [];
  for (const item of items) writes.push(await prepareItem(message, item));
  return {
    write: async (session) => {
      session.out.enc.raw(`* ${message.flags.seq} FETCH (`);
      let first = true;
      for (const write of writes) {
        if (!first) session.out.enc.sp();
        first = false;
        await write(session);
      }
      session.out.enc.raw(')\r\n');
      await session.out.relieve();
    },
  };
}

async function prepareItem(message: OpenedMessage, item: FetchItem): Promise<Write> {
  if (isOwn(item)) {
    if (needsFacts(item)) present(message.facts);
    return (session) => {
      writeOwn[item.kind](session, message);
    };
  }
  if (item.kind === 'section' && itemNeed(item) === 'octets') {
    return prepareAnswer(message, answerWhole(item, present(message.body).size));
  }
  return prepareAnswer(message, answerItem(item, present(message.metadata)));
}

async function prepareAnswer(message: OpenedMessage, first: ItemAnswer): Promise<Write> {
  let answer = first;
  while (answer.kind === 'derive') {
    answer = answer.finish(await present(message.body).read(answer.from, answer.to));
  }
  if (answer.kind === 'inline') {
    const inline = answer;
    return ({ out }) => {
      inline.write(out.enc);
    };
  }
  const { label, from, to } = answer;
  const body = present(message.body);
  if (to - from <= wholeBytesMax) {
    const bytes = await body.read(from, to);
    assertLength(bytes.length, to - from);
    return ({ out }) => void out.enc.raw(`${label} `).literalHead(bytes.length).bytes(bytes);
  }
  // The first piece is read now, so that a broken key or pack is an answer and not a broken line.
  const pieces = body.stream(from, to)[Symbol.asyncIterator]();
  const head = await pieces.next();
  return (session) => stream(session, { label, size: to - from, head, pieces });
}

interface Streamed {
  readonly label: string;
  readonly size: number;
  readonly head: IteratorResult<Uint8Array>;
  readonly pieces: AsyncIterator<Uint8Array>;
}

/** Once the length is announced only closing the connection can tell of a failure. */
async function stream({ out, door }: Session, streamed: Streamed): Promise<void> {
  const { label, size, pieces } = streamed;
  out.enc.raw(`${label} `).literalHead(size);
  let left = size;
  out.midLine = true;
  try {
    for (let piece = streamed.head; piece.done !== true; piece = await pieces.next()) {
      left -= piece.value.length;
      out.enc.bytes(piece.value);
      await out.relieve();
    }
    assertLength(size - left, size);
    out.midLine = false;
  } catch (error) {
    await pieces.return?.();
    if (!(error instanceof ConnectionClosed)) door.abort();
    throw error;
  }
}

function assertLength(read: number, wanted: number): void {
  if (read !== wanted) throw new PostsealError('integrity.format', { read, wanted });
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new PostsealError('key.destroyed');
  return value;
}
