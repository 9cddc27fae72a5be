// What a client sends, as events for one reader at a time. The socket is paused as soon as more waits
// than a bound, so a client that sends faster than it is served fills its own buffers, not ours.
import type { Socket } from 'node:net';
import { CommandReader, type LiteralDecision, type ReaderEvent } from './wire/command-reader.ts';

/** Octets that may wait unread before the socket is paused. */
const pendingBytesMax = 262_144;

export class Input {
  readonly #reader: CommandReader;
  #socket: Socket | undefined;
  #detach: () => void = () => undefined;
  #ended = false;
  #wake: () => void = () => undefined;
  #bytes = 0;

  constructor(lineBytesMax: number) {
    this.#reader = new CommandReader({ lineBytesMax });
  }

  /** Octets received after decryption. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Reads from `socket` from now on, and from no other. */
  attach(socket: Socket): void {
    this.detach();
    const onData = (chunk: Uint8Array): void => {
      this.#bytes += chunk.length;
      this.#reader.push(chunk);
      if (this.#reader.pendingBytes > pendingBytesMax) socket.pause();
      this.#wake();
    };
    const onEnd = (): void => {
      this.#ended = true;
      this.#wake();
    };
    socket.on('data', onData).on('end', onEnd).on('close', onEnd);
    this.#socket = socket;
    this.#detach = () => {
      socket.off('data', onData).off('end', onEnd).off('close', onEnd);
    };
  }

  /** Stops reading and forgets what was not read: nothing sent before TLS may count after it. */
  detach(): void {
    this.#detach();
    this.#detach = () => undefined;
    this.#reader.discard();
  }

  /** The next event; null when the client is gone and all it sent was read. One caller at a time. */
  async next(): Promise<ReaderEvent | null> {
    for (;;) {
      const event = this.#reader.next();
      if (event !== null) return event;
      if (this.#ended) return null;
      const more = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#socket?.resume();
      await more;
    }
  }

  /** Makes `next` stop waiting: the connection is to end. */
  end(): void {
    this.#ended = true;
    this.#wake();
  }

  decide(decision: LiteralDecision): void {
    this.#reader.decide(decision);
  }

  /** The next line comes as it is: AUTHENTICATE and IDLE. */
  readLine(): void {
    this.#reader.readLine();
  }

  /** Puts a line back to be read as a command. */
  unreadLine(line: Uint8Array): void {
    this.#reader.unreadLine(line);
  }
}
