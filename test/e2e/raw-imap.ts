// A plain IMAP client of the tests over TLS: sends exactly the bytes it is told, keeps the literals of
// answers apart byte for byte, and decodes nothing.
import tls from 'node:tls';

export interface RawLine {
  /** The line with every literal replaced by `{n}`. */
  readonly text: string;
  readonly literals: readonly Buffer[];
}

export interface RawReply {
  /** `OK`, `NO` or `BAD`. */
  readonly status: string;
  /** Text of the tagged line. */
  readonly text: string;
  readonly untagged: readonly RawLine[];
}

interface Waiter {
  readonly tag: string;
  readonly resolve: (reply: RawReply) => void;
  readonly reject: (error: Error) => void;
  readonly onContinue: (() => void) | undefined;
}

export class RawImap {
  readonly #socket: tls.TLSSocket;
  #pieces: Buffer[] = [];
  #held = 0;
  /** Octets that must be there before it is worth looking again. */
  #wanted = 1;
  #text = '';
  #literals: Buffer[] = [];
  #untagged: RawLine[] = [];
  #tag = 0;
  #waiter: Waiter | undefined;
  #ended: Error | undefined;

  private constructor(socket: tls.TLSSocket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    const fail = (error?: Error): void => {
      this.#ended ??= error ?? new Error('connection closed');
      const waiter = this.#waiter;
      this.#waiter = undefined;
      waiter?.reject(this.#ended);
    };
    socket.on('error', fail);
    socket.on('close', () => fail());
  }

  /** Connects to the loopback and waits for the greeting, at most `greetingMs`. */
  static async connect(port: number, greetingMs = 60_000): Promise<RawImap> {
    const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
    const client = new RawImap(socket);
    const late = setTimeout(() => socket.destroy(), greetingMs);
    await client.#wait('*').finally(() => clearTimeout(late));
    return client;
  }

  static async signedIn(
    port: number,
    account: { readonly name: string; readonly password: string },
    greetingMs?: number,
  ): Promise<RawImap> {
    const client = await RawImap.connect(port, greetingMs);
    await client.ok(`LOGIN "${account.name}" "${account.password}"`);
    return client;
  }

  command(line: string): Promise<RawReply> {
    const tag = this.#nextTag();
    const reply = this.#wait(tag);
    this.#socket.write(`${tag} ${line}\r\n`);
    return reply;
  }

  /** Like `command`, but throws unless the answer is OK. */
  async ok(line: string): Promise<RawReply> {
    const reply = await this.command(line);
    if (reply.status !== 'OK') throw new Error(`${line.slice(0, 60)}: ${reply.text}`);
    return reply;
  }

  /** `head` ends where the literal begins; `prefix` is `~` for literal8. Waits for the server's `+`. */
  literalCommand(head: string, literal: Buffer, prefix = ''): Promise<RawReply> {
    const tag = this.#nextTag();
    const reply = this.#wait(tag, () => {
      this.#socket.cork();
      this.#socket.write(literal);
      this.#socket.write('\r\n');
      this.#socket.uncork();
    });
    this.#socket.write(`${tag} ${head} ${prefix}{${literal.length}}\r\n`);
    return reply;
  }

  destroy(): void {
    this.#socket.destroy();
  }

  async logout(): Promise<void> {
    await this.ok('LOGOUT');
    this.#socket.destroy();
  }

  #nextTag(): string {
    this.#tag += 1;
    return `a${this.#tag}`;
  }

  #wait(tag: string, onContinue?: () => void): Promise<RawReply> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#untagged = [];
      this.#waiter = { tag, resolve, reject, onContinue };
    });
  }

  #take(chunk: Buffer): void {
    this.#pieces.push(chunk);
    this.#held += chunk.length;
    if (this.#held < this.#wanted) return;
    let data = this.#pieces.length === 1 ? chunk : Buffer.concat(this.#pieces);
    for (;;) {
      const end = data.indexOf('\r\n');
      if (end < 0) {
        this.#wanted = data.length + 1;
        break;
      }
      const literal = /~?\{(\d+)\}$/.exec(data.toString('latin1', Math.max(0, end - 16), end));
      const length = Number(literal?.[1] ?? 0);
      if (data.length < end + 2 + length) {
        this.#wanted = end + 2 + length;
        break;
      }
      this.#text += data.toString('latin1', 0, end);
      if (literal === null) {
        this.#line({ text: this.#text, literals: this.#literals });
        this.#text = '';
        this.#literals = [];
      } else this.#literals.push(Buffer.from(data.subarray(end + 2, end + 2 + length)));
      data = data.subarray(end + 2 + length);
    }
    this.#pieces = data.length === 0 ? [] : [data];
    this.#held = data.length;
  }

  #line(line: RawLine): void {
    const waiter = this.#waiter;
    if (waiter === undefined) return;
    if (line.text.startsWith('+') && waiter.onContinue !== undefined) {
      waiter.onContinue();
      return;
    }
    if (!line.text.startsWith(`${waiter.tag} `)) {
      this.#untagged.push(line);
      return;
    }
    this.#waiter = undefined;
    const [, status = ''] = line.text.split(' ');
    waiter.resolve({ status, text: line.text, untagged: this.#untagged });
  }
}
