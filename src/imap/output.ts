// What a client is sent. Responses gather in an encoder; `flush` hands them to the socket and waits
// while the socket holds more than a bound, so a client that does not read stops its own command and
// costs no memory.
import type { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Encoder } from './wire/encoder.ts';

/** Octets in the socket's buffer from which on writing waits. */
const bufferedBytesMax = 262_144;
/** Octets in the encoder from which on a long answer should be flushed. */
const flushBytes = 32_768;

/** The client is gone; ends the running command without a trace in the log. */
export class ConnectionClosed extends Error {
  override readonly name = 'ConnectionClosed';
}

export class Output {
  readonly #stallMs: number;
  #socket: Socket;
  #enc = new Encoder({ utf8: false });
  #bytes = 0;

  constructor(socket: Socket, stallMs: number) {
    this.#socket = socket;
    this.#stallMs = stallMs;
  }

  /** Octets sent before encryption. */
  get bytes(): number {
    return this.#bytes + this.#enc.length;
  }

  get closed(): boolean {
    return this.#socket.destroyed || this.#socket.writableEnded;
  }

  /** Enough has gathered to be sent: call `relieve`. */
  get isFull(): boolean {
    return this.#enc.length >= flushBytes;
  }

  /** A line was begun and partly sent: nothing else may be written before its end. */
  midLine = false;

  /** Where responses are written; do not keep it over `setMode`. */
  get enc(): Encoder {
    return this.#enc;
  }

  /** Writes to another socket from now on (TLS). */
  attach(socket: Socket): void {
    this.#socket = socket;
  }

  /** Names in UTF-8 from now on. */
  async setUtf8(): Promise<void> {
    await this.flush();
    this.#enc = new Encoder({ utf8: true });
  }

  /** Flushes if enough has gathered, and lets others run: called between the parts of an answer. */
  async relieve(): Promise<void> {
    if (!this.isFull) return;
    await this.flush();
    await nextTurn();
  }

  /** @throws ConnectionClosed */
  async flush(): Promise<void> {
    const socket = this.#socket;
    if (this.closed) throw new ConnectionClosed('the connection is closed');
    const length = this.#enc.length;
    if (length > 0) {
      this.#bytes += length;
      socket.cork();
      for (const bytes of this.#enc.take()) socket.write(bytes);
      socket.uncork();
    }
    if (socket.writableLength > bufferedBytesMax) await this.#drained(socket);
  }

  /** One finished line of text, sent at once. */
  async line(text: string): Promise<void> {
    this.#enc.raw(text).crlf();
    await this.flush();
  }

  #drained(socket: Socket): Promise<void> {
    return new Promise((resolve, reject) => {
      const stalled = setTimeout(() => socket.destroy(), this.#stallMs);
      const settle = (closed: boolean): void => {
        clearTimeout(stalled);
        socket.off('drain', onDrain).off('close', onClose);
        if (closed) reject(new ConnectionClosed('the connection is closed'));
        else resolve();
      };
      const onDrain = (): void => {
        settle(false);
      };
      const onClose = (): void => {
        settle(true);
      };
      socket.on('drain', onDrain).on('close', onClose);
      if (socket.destroyed) settle(true);
    });
  }
}
