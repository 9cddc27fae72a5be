// A small IMAP client for load: one command at a time, replies counted as bytes, literals skipped
// without decoding. It is the same for every server under measure.
import net from 'node:net';
import tls from 'node:tls';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

export interface Reply {
  /** `OK`, `NO` or `BAD`. */
  readonly status: string;
  /** Text of the tagged line. */
  readonly line: string;
  /** Untagged lines, without literals. */
  readonly untagged: readonly string[];
  readonly bytes: number;
}

interface Waiter {
  readonly tag: string | undefined;
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

/** Speaks to one server; `command` rejects when the connection ends before the tagged reply. */
export class LoadClient {
  readonly #socket: net.Socket;
  #buffer = Buffer.alloc(0);
  #skip = 0;
  #lines: string[] = [];
  #bytes = 0;
  #tag = 0;
  #waiter: Waiter | undefined;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    const fail = (error?: Error): void => {
      this.#waiter?.reject(error ?? new Error('connection closed'));
      this.#waiter = undefined;
    };
    socket.on('error', fail);
    socket.on('close', () => fail());
  }

  /** Connects and waits for the greeting. */
  static async connect(at: Endpoint): Promise<LoadClient> {
    const socket = at.tls
      ? tls.connect({ host: at.host, port: at.port, rejectUnauthorized: false })
      : net.connect(at.port, at.host);
    const client = new LoadClient(socket);
    await client.#wait(undefined);
    return client;
  }

  async login(name: string, password: string): Promise<void> {
    const reply = await this.command(`LOGIN ${name} "${password}"`);
    if (reply.status !== 'OK') throw new Error(`login refused: ${reply.line}`);
  }

  /** Sends one command line and waits for its tagged reply. */
  command(line: string): Promise<Reply> {
    this.#tag += 1;
    const tag = `a${this.#tag}`;
    this.#socket.write(`${tag} ${line}\r\n`);
    return this.#wait(tag);
  }

  /** APPEND with a non-synchronising literal (RFC 7888). */
  append(mailbox: string, message: Buffer): Promise<Reply> {
    this.#tag += 1;
    const tag = `a${this.#tag}`;
    this.#socket.cork();
    this.#socket.write(`${tag} APPEND ${mailbox} {${message.length}+}\r\n`);
    this.#socket.write(message);
    this.#socket.write('\r\n');
    this.#socket.uncork();
    return this.#wait(tag);
  }

  async logout(): Promise<void> {
    await this.command('LOGOUT');
    this.#socket.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #wait(tag: string | undefined): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.#lines = [];
      this.#bytes = 0;
      this.#waiter = { tag, resolve, reject };
    });
  }

  #take(chunk: Buffer): void {
    this.#bytes += chunk.length;
    let data = this.#buffer.length > 0 ? Buffer.concat([this.#buffer, chunk]) : chunk;
    for (;;) {
      if (this.#skip > 0) {
        const n = Math.min(this.#skip, data.length);
        data = data.subarray(n);
        this.#skip -= n;
        if (this.#skip > 0) break;
      }
      const end = data.indexOf('\r\n');
      if (end < 0) break;
      const line = data.toString('latin1', 0, end);
      data = data.subarray(end + 2);
      const literal = /\{(\d+)\}$/.exec(line);
      if (literal !== null) this.#skip = Number(literal[1]);
      this.#line(line);
    }
    this.#buffer = Buffer.from(data);
  }

  #line(line: string): void {
    const waiter = this.#waiter;
    if (waiter === undefined) return;
    const done =
      waiter.tag === undefined ? line.startsWith('* ') : line.startsWith(`${waiter.tag} `);
    if (!done) {
      this.#lines.push(line);
      return;
    }
    this.#waiter = undefined;
    const status = line.split(' ')[1] ?? '';
    waiter.resolve({ status, line, untagged: this.#lines, bytes: this.#bytes });
  }
}
