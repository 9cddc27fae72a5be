// A literal that streams by (RFC 9051 §4.3): its octets as they come, and what must be read behind it
// whatever became of the command, so that the next command is found.
import type { Input } from './input.ts';
import { ConnectionClosed } from './output.ts';
import { Decoder } from './wire/decoder.ts';
import { ImapError } from './wire/imap-error.ts';

/** The octets, once. A reader that stops early closes nothing: `drain` reads what it left. */
export class LiteralOctets implements AsyncIterable<Uint8Array> {
  readonly #input: Input;
  #done = false;

  constructor(input: Input) {
    this.#input = input;
  }

  /** @throws ConnectionClosed */
  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    while (!this.#done) {
      const event = await this.#input.next();
      if (event === null) throw new ConnectionClosed('the client left within a literal');
      if (event.kind === 'literal-chunk') return { done: false, value: event.bytes };
      if (event.kind === 'literal-end') this.#done = true;
    }
    return { done: true, value: undefined };
  }

  async drain(): Promise<void> {
    while ((await this.next()).done !== true);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return { next: () => this.next() };
  }
}

/** Reads to the end of the command; null if nothing but the line end stood there. */
export async function restOfCommand(input: Input): Promise<ImapError | null> {
  const event = await input.next();
  if (event === null) throw new ConnectionClosed('the client left within a command');
  if (event.kind === 'command') {
    const last = event.command.segments.at(-1);
    if (new Decoder({ segments: last === undefined ? [] : [last] }).atEnd()) return null;
  }
  // MULTIAPPEND is not announced; a further literal is refused and its line with it.
  if (event.kind === 'literal') input.decide('refuse');
  return new ImapError('BAD', 'CLIENTBUG', 'One message a command');
}
