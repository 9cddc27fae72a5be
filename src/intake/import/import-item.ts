// One message on its way in from a file, and the frame in which the command line sends it to the
// server: one JSON line (the head) and then exactly `size` octets.
import { PostsealError } from '../../kernel/errors.ts';

export interface ImportHead {
  /** Where it came from, unique within the import: a path, or `#3` of an mbox. */
  readonly key: string;
  /** Octets that follow. */
  readonly size: number;
  /** Folder in Unicode with `/` between levels. */
  readonly folder: string;
  readonly flags: readonly string[];
  /** Milliseconds since 1970; when the source knows none, the import's own time is taken. */
  readonly internalDate?: number;
}

export interface ImportItem {
  readonly head: ImportHead;
  readonly bytes: Buffer;
}

/** `auto`: a message without a single CRLF was stored with LF; it becomes CRLF as on its way by mail. */
export type LineEnds = 'auto' | 'keep';

const headBytesMax = 65_536;

/** Turns LF into CRLF when no CRLF is there at all; every other message stays as it is. */
export function normaliseLineEnds(bytes: Buffer, mode: LineEnds): Buffer {
  if (mode === 'keep' || !bytes.includes(10) || bytes.includes('\r\n')) return bytes;
  const pieces: Buffer[] = [];
  const crlf = Buffer.from('\r\n');
  let from = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, from)) {
    pieces.push(bytes.subarray(from, at), crlf);
    from = at + 1;
  }
  pieces.push(bytes.subarray(from));
  return Buffer.concat(pieces);
}

/** The frame of an item. */
export function frameItem(item: ImportItem): Buffer {
  const head: ImportHead = { ...item.head, size: item.bytes.length };
  return Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), item.bytes]);
}

function parseHead(line: string): ImportHead {
  const fail = (): never => {
    throw new PostsealError('usage', { request: 'import frame' });
  };
  let value: Partial<ImportHead> = {};
  try {
    value = JSON.parse(line) as Partial<ImportHead>;
  } catch (error) {
    throw new PostsealError('usage', { request: 'import frame' }, error);
  }
  const { key, size, folder, flags, internalDate } = value;
  if (typeof key !== 'string' || typeof folder !== 'string' || !Array.isArray(flags)) return fail();
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) return fail();
  const date = typeof internalDate === 'number' && Number.isSafeInteger(internalDate);
  const names = flags.filter((flag) => typeof flag === 'string');
  return { key, size, folder, flags: names, ...(date ? { internalDate } : {}) };
}

/**
 * Reads frames from a stream; an item larger than `sizeMax` comes with its first octet only and its
 * true size in the head, so that it can be reported without being held.
 */
export async function* readFrames(
  stream: AsyncIterable<Uint8Array>,
  sizeMax: number,
): AsyncGenerator<ImportItem> {
  let rest: Buffer = Buffer.alloc(0);
  let head: ImportHead | undefined;
  let pieces: Buffer[] = [];
  let missing = 0;
  for await (const chunk of stream) {
    rest = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    for (;;) {
      if (head === undefined) {
        const end = rest.indexOf(10);
        if (end < 0 && rest.length > headBytesMax) {
          throw new PostsealError('usage', { request: 'import frame' });
        }
        if (end < 0) break;
        head = parseHead(rest.toString('utf8', 0, end));
        missing = head.size;
        pieces = [];
        rest = rest.subarray(end + 1);
      }
      const take = rest.subarray(0, missing);
      missing -= take.length;
      rest = rest.subarray(take.length);
      if (head.size <= sizeMax) pieces.push(Buffer.from(take));
      if (missing > 0) break;
      yield { head, bytes: Buffer.concat(pieces) };
      head = undefined;
    }
  }
  if (head !== undefined || rest.length > 0) {
    throw new PostsealError('usage', { request: 'import frame', reason: 'cut off' });
  }
}
