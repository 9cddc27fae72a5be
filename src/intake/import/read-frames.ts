// The server's side of the frames (import-item.ts): small messages come whole, large ones as they arrive, so
// that an import holds no more of a message than LMTP and APPEND do.
import { PostsealError } from '../../kernel/errors.ts';
import type { ImportHead } from './import-item.ts';

export interface IncomingItem {
  readonly head: ImportHead;
  /** Empty if the message is over the limit: it is reported, and was not held. */
  readonly bytes: Buffer | LargeBody;
}

export interface FrameLimits {
  /** Octets of a message above which it is skipped. */
  readonly sizeMax: number;
  /** Octets of a message up to which it comes whole. */
  readonly wholeMax: number;
}

const headBytesMax = 65_536;
/** Years of four digits: IMAP has no other (RFC 9051 §9 date-year), and no clock gives one. */
const dateMin = Date.parse('0001-01-01T00:00:00Z');
const dateMax = Date.parse('9999-12-31T23:59:59Z');

const malformed = (reason: string, cause?: unknown): PostsealError =>
  new PostsealError('usage', { request: 'import frame', reason }, cause);

/** A stream of octets that is read in lines and in counts. */
class Octets {
  readonly #source: AsyncIterator<Uint8Array>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.#source = stream[Symbol.asyncIterator]();
  }

  /** Without its end; undefined at the end of the stream. @throws PostsealError `usage`. */
  async line(): Promise<string | undefined> {
    let looked = 0;
    for (;;) {
      const end = this.#rest.indexOf(10, looked);
      if (end >= 0) {
        const line = this.#rest.toString('utf8', 0, end);
        this.#rest = this.#rest.subarray(end + 1);
        return line;
      }
      looked = this.#rest.length;
      if (looked > headBytesMax) throw malformed('head too long');
      if (await this.#more()) continue;
      if (looked === 0) return undefined;
      throw malformed('cut off');
    }
  }

  /** At least one octet and at most `count`. @throws PostsealError `usage` at the end of the stream. */
  async some(count: number): Promise<Buffer> {
    while (this.#rest.length === 0) if (!(await this.#more())) throw malformed('cut off');
    const piece = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(piece.length);
    return piece;
  }

  async whole(count: number): Promise<Buffer> {
    const out = Buffer.allocUnsafeSlow(count);
    for (let at = 0; at < count;) at += (await this.some(count - at)).copy(out, at);
    return out;
  }

  async skip(count: number): Promise<void> {
    for (let left = count; left > 0;) left -= (await this.some(left)).length;
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }

  async #more(): Promise<boolean> {
    const next = await this.#source.next();
    if (next.done === true) return false;
    const { value } = next;
    this.#rest = this.#rest.length === 0 ? Buffer.from(value) : Buffer.concat([this.#rest, value]);
    return true;
  }
}

/** Read once, or let go; the item after it comes only then. */
export class LargeBody implements AsyncIterable<Buffer> {
  readonly #octets: Octets;
  readonly #over = Promise.withResolvers<undefined>();
  #missing: number;

  constructor(octets: Octets, size: number) {
    this.#octets = octets;
    this.#missing = size;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    try {
      while (this.#missing > 0) {
        const piece = await this.#octets.some(this.#missing);
        this.#missing -= piece.length;
        yield piece;
      }
    } finally {
      this.letGo();
    }
  }

  /** What was not read is skipped. May be called again, and never while it is being read. */
  letGo(): void {
    this.#over.resolve(undefined);
  }

  /** Resolves when the stream stands behind it. */
  async end(): Promise<void> {
    await this.#over.promise;
    await this.#octets.skip(this.#missing);
  }
}

/** @throws PostsealError `usage` for what is no frame, and for a stream that ends within one. */
export async function* readFrames(
  stream: AsyncIterable<Uint8Array>,
  { sizeMax, wholeMax }: FrameLimits,
): AsyncGenerator<IncomingItem> {
  const octets = new Octets(stream);
  try {
    for (let line = await octets.line(); line !== undefined; line = await octets.line()) {
      const head = parseHead(line);
      const { size } = head;
      if (size > sizeMax) {
        await octets.skip(size);
        yield { head, bytes: Buffer.alloc(0) };
      } else if (size <= wholeMax) {
        yield { head, bytes: await octets.whole(size) };
      } else {
        const body = new LargeBody(octets, size);
        yield { head, bytes: body };
        await body.end();
      }
    }
  } finally {
    await octets.close();
  }
}

function parseHead(line: string): ImportHead {
  let value: Partial<ImportHead> | null = {};
  try {
    value = JSON.parse(line) as Partial<ImportHead> | null;
  } catch (error) {
    throw malformed('no JSON', error);
  }
  if (value === null) throw malformed('members');
  const { key, size, folder, flags, internalDate } = value;
  if (typeof key !== 'string' || typeof folder !== 'string' || !Array.isArray(flags)) {
    throw malformed('members');
  }
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw malformed('size');
  const date =
    typeof internalDate === 'number' &&
    Number.isSafeInteger(internalDate) &&
    internalDate >= dateMin &&
    internalDate <= dateMax;
  const names = flags.filter((flag) => typeof flag === 'string');
  return { key, size, folder, flags: names, ...(date ? { internalDate } : {}) };
}
