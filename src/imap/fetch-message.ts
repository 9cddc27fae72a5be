// One message of a FETCH (RFC 9051 §7.5.2): everything that can fail is read before the first octet of
// its line is written; a large section then streams in bounded pieces.
import { assert, PostsealError } from '../kernel/errors.ts';
import type { ItemAnswer } from './items/index.ts';
import { ConnectionClosed } from './output.ts';
import { type OpenedMessage, present, type ReadyItems } from './ready-items.ts';
import type { Session } from './session.ts';

/** Sections up to this size are read at once; larger ones stream. */
export const wholeBytesMax = 262_144;

/** Writes the line of a message for which nothing has to be read. @throws PostsealError, nothing written */
export function writeAtOnce(session: Session, message: OpenedMessage, { tells }: ReadyItems): void {
  assert(tells !== null, 'nothing of these items has to be read');
  let line = `* ${message.seq} FETCH (`;
  let before = '';
  for (const tell of tells) {
    line += before + tell(message);
    before = ' ';
  }
  session.out.enc.octets(`${line})\r\n`);
}

type Write = (session: Session) => Promise<void> | void;

/** The line of one message, ready to be written. */
export interface PreparedMessage {
  readonly write: (session: Session) => Promise<void>;
}

/** Reads what the items need. @throws PostsealError */
export async function prepareMessage(
  message: OpenedMessage,
  { all }: ReadyItems,
): Promise<PreparedMessage> {
  const writes: Write[] = [];
  for (const item of all) {
    if (item.kind === 'tell') writes.push(writeText(item.tell(message)));
    else writes.push(await prepareAnswer(message, item.answer(message)));
  }
  return {
    write: async (session) => {
      session.out.enc.raw(`* ${message.seq} FETCH (`);
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

const writeText =
  (text: string): Write =>
  ({ out }) =>
    void out.enc.octets(text);

async function prepareAnswer(message: OpenedMessage, first: ItemAnswer): Promise<Write> {
  let answer = first;
  while (answer.kind === 'derive') {
    answer = answer.finish(await present(message.body).read(answer.from, answer.to));
  }
  if (answer.kind === 'text') return writeText(answer.text);
  if (answer.kind === 'bytes') {
    const { label, bytes } = answer;
    return ({ out }) =>
      void out.enc.raw(`${label} `).literalHead(bytes.length, bytes.includes(0)).bytes(bytes);
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
