// A small LMTP client for load: one connection, one message after the other (RFC 2033).
import net from 'node:net';

/** Delivers messages one by one; `deliver` resolves with the reply to the final dot. */
export class LmtpClient {
  readonly #socket: net.Socket;
  #text = '';
  #waiter: ((line: string) => void) | undefined;
  #failed: ((error: Error) => void) | undefined;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('latin1');
      const line = /^\d{3} .*\r\n/m.exec(this.#text);
      if (line === null) return;
      this.#text = this.#text.slice(line.index + line[0].length);
      const waiter = this.#waiter;
      this.#waiter = undefined;
      waiter?.(line[0]);
    });
    socket.on('error', (error) => this.#failed?.(error));
    socket.on('close', () => this.#failed?.(new Error('connection closed')));
  }

  static async connect(host: string, port: number): Promise<LmtpClient> {
    const client = new LmtpClient(net.connect(port, host));
    await client.#reply();
    await client.#send('LHLO bench.example.com\r\n');
    return client;
  }

  async deliver(from: string, to: string, message: Buffer): Promise<string> {
    await this.#send(`MAIL FROM:<${from}>\r\n`);
    const rcpt = await this.#send(`RCPT TO:<${to}>\r\n`);
    if (!rcpt.startsWith('250')) throw new Error(`recipient refused: ${rcpt}`);
    await this.#send('DATA\r\n');
    const stuffed = Buffer.from(message.toString('latin1').replace(/^\./gm, '..'), 'latin1');
    const tail = stuffed.subarray(-2).toString('latin1') === '\r\n' ? '.\r\n' : '\r\n.\r\n';
    this.#socket.cork();
    this.#socket.write(stuffed);
    const reply = this.#send(tail);
    this.#socket.uncork();
    const line = await reply;
    if (!line.startsWith('250')) throw new Error(`message refused: ${line}`);
    return line;
  }

  async quit(): Promise<void> {
    await this.#send('QUIT\r\n');
    this.#socket.destroy();
  }

  #send(text: string): Promise<string> {
    this.#socket.write(text);
    return this.#reply();
  }

  #reply(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#waiter = resolve;
      this.#failed = reject;
    });
  }
}
