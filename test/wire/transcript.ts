// Plays a conversation written down in a file against a server, line by line. `C:` sends a line, `C=:`
// sends text as it is (with \r \n \0 escapes), `S:` must match the next line, `S*:` skips lines until
// one matches; a digit names a further connection (`C2:`). In a pattern `$name` catches a word and, once
// caught, stands for it; `...` is anything. `T:` begins TLS on the connection.
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

export interface Door {
  readonly port: number;
  readonly tls: boolean;
}

/** One client connection that reads lines. */
export class Client {
  #socket: Socket;
  #text = '';
  #ended = false;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#listen();
  }

  static async open(door: Door): Promise<Client> {
    const options = { port: door.port, host: '127.0.0.1', rejectUnauthorized: false };
    const socket = door.tls ? connectTls(options) : connectPlain(options);
    await new Promise((resolve, reject) => {
      socket.once(door.tls ? 'secureConnect' : 'connect', resolve);
      socket.once('error', reject);
    });
    return new Client(socket);
  }

  async startTls(): Promise<void> {
    this.#socket.removeAllListeners('data');
    const secure = connectTls({ socket: this.#socket, rejectUnauthorized: false });
    await new Promise((resolve, reject) => {
      secure.once('secureConnect', resolve);
      secure.once('error', reject);
    });
    this.#socket = secure;
    this.#listen();
  }

  send(text: string | Uint8Array): void {
    this.#socket.write(typeof text === 'string' ? Buffer.from(text, 'utf8') : text);
  }

  /** The next line without its end; null when the server has closed. */
  async line(timeoutMs = 10_000): Promise<string | null> {
    const deadline = AbortSignal.timeout(timeoutMs);
    for (;;) {
      const end = this.#text.indexOf('\r\n');
      if (end >= 0) {
        const line = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        return line;
      }
      if (this.#ended) return null;
      if (deadline.aborted) throw new Error(`no line came; so far: ${this.#text.slice(0, 200)}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        deadline.addEventListener('abort', () => {
          resolve();
        });
      });
    }
  }

  /** All lines up to the tagged one, which comes last. */
  async until(tag: string): Promise<string[]> {
    const out: string[] = [];
    for (;;) {
      const line = await this.line();
      if (line === null) throw new Error(`the server closed after ${out.join(' | ')}`);
      out.push(line);
      if (line.startsWith(`${tag} `)) return out;
    }
  }

  /** Sends `tag text` and gives the answer. */
  command(tag: string, text: string): Promise<string[]> {
    this.send(`${tag} ${text}\r\n`);
    return this.until(tag);
  }

  close(): void {
    this.#socket.destroy();
  }

  #listen(): void {
    this.#socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('utf8');
      this.#wake();
    });
    const end = (): void => {
      this.#ended = true;
      this.#wake();
    };
    this.#socket.on('end', end).on('close', end).on('error', end);
  }
}

interface Step {
  readonly kind: string;
  readonly connection: string;
  readonly mode: string;
  readonly text: string;
  readonly at: number;
}

function parse(script: string): Step[] {
  return script.split('\n').flatMap((line, i) => {
    if (line.trim() === '' || line.startsWith('#')) return [];
    const match = /^([CST])(\d?)([=*]?): ?(.*)$/.exec(line);
    if (match === null) throw new Error(`line ${i + 1} is no step: ${line}`);
    const [, kind = '', connection = '', mode = '', text = ''] = match;
    return [{ kind, connection, mode, text, at: i + 1 }];
  });
}

/** Plays `script`; throws with the line number where the server said something else. */
export async function play(
  script: string,
  door: Door,
  given: Readonly<Record<string, string>>,
): Promise<void> {
  const values = new Map(Object.entries(given));
  const clients = new Map<string, Client>();
  const fill = (text: string): string =>
    text.replace(/\$([a-z]\w*)/g, (whole, name: string) => values.get(name) ?? whole);
  try {
    for (const step of parse(script)) {
      let client = clients.get(step.connection);
      if (client === undefined) {
        client = await Client.open(door);
        clients.set(step.connection, client);
      }
      if (step.kind === 'T') await client.startTls();
      else if (step.kind === 'C') client.send(toSend(step, fill(step.text)));
      else await expectLine(client, step, values);
    }
  } finally {
    for (const client of clients.values()) client.close();
  }
}

function toSend(step: Step, text: string): string {
  if (step.mode !== '=') return `${text}\r\n`;
  return text.replace(/\\([rn0\\])/g, (_, c: string) => ({ r: '\r', n: '\n', 0: '\0' })[c] ?? c);
}

async function expectLine(client: Client, step: Step, values: Map<string, string>): Promise<void> {
  const { pattern, names } = compile(step.text, values);
  const skipped: string[] = [];
  for (;;) {
    const line = await client.line().catch((error: unknown) => {
      throw new Error(`line ${step.at} wants ${step.text}`, { cause: error });
    });
    const found = line === null ? null : pattern.exec(line);
    if (found !== null) {
      names.forEach((name, i) => values.set(name, found[i + 1] ?? ''));
      return;
    }
    skipped.push(line ?? '(closed)');
    if (step.mode !== '*' || line === null) {
      throw new Error(`line ${step.at} wants ${step.text}\n  but came ${skipped.join('\n  ')}`);
    }
  }
}

function compile(
  text: string,
  values: ReadonlyMap<string, string>,
): { pattern: RegExp; names: string[] } {
  const names: string[] = [];
  const source = text.split(/(\$[a-z]\w*|\.\.\.)/).map((piece) => {
    if (piece === '...') return '.*';
    if (!/^\$[a-z]/.test(piece)) return literally(piece);
    const name = piece.slice(1);
    const known = values.get(name);
    if (known !== undefined) return literally(known);
    names.push(name);
    return '([^\\s\\])]+)';
  });
  return { pattern: new RegExp(`^${source.join('')}$`), names };
}

const literally = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
