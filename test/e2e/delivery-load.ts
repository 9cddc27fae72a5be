// Many deliveries at once that go on whatever happens to the server: LMTP to one or two recipients and
// APPEND. Keeps book of every copy: acknowledged, or sent without a final answer.
import { createHash } from 'node:crypto';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Account, Ports } from '../harness/server.ts';
import { RawImap } from './raw-imap.ts';

/** Copies of one message in one account, by what the sender knows. */
export interface Copies {
  acknowledged: number;
  /** May have been stored or not: the answer was lost or said "try again". */
  open: number;
}

export interface LoadOptions {
  readonly ports: () => Ports;
  readonly accounts: readonly Account[];
  readonly lmtp: number;
  readonly append: number;
}

const greetingMsMax = 10_000;

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** A line-wise conversation in which every wait ends when the connection does. */
class Lines {
  readonly #socket: net.Socket;
  #text = '';
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(port: number) {
    this.#socket = net.connect(port, '127.0.0.1');
    this.#socket.setNoDelay(true);
    this.#socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('latin1');
      this.#wake();
    });
    const end = (): void => {
      this.#ended = true;
      this.#wake();
    };
    this.#socket.on('error', end).on('close', end);
  }

  /** The next reply's last line. */
  async reply(): Promise<string> {
    for (;;) {
      const found = /^\d{3} .*\r\n/m.exec(this.#text);
      if (found !== null) {
        this.#text = this.#text.slice(found.index + found[0].length);
        return found[0];
      }
      if (this.#ended) throw new Error('connection lost');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  say(data: string | Buffer): void {
    this.#socket.write(data);
  }

  async ask(line: string): Promise<string> {
    this.say(`${line}\r\n`);
    return this.reply();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

export class DeliveryLoad {
  /** By account name, then by digest. */
  readonly copies = new Map<string, Map<string, Copies>>();
  /** Answers that no failure excuses: 5xx, BAD. */
  readonly refusals: string[] = [];
  acknowledged = 0;
  readonly #options: LoadOptions;
  readonly #recent: Buffer[] = [];
  #made = 0;
  #running = false;
  #workers: Promise<void>[] = [];
  readonly #closers = new Set<() => void>();

  constructor(options: LoadOptions) {
    this.#options = options;
    for (const { name } of options.accounts) this.copies.set(name, new Map());
  }

  start(): void {
    const { lmtp, append } = this.#options;
    this.#running = true;
    this.#workers = [
      ...Array.from({ length: lmtp }, (_, i) => this.#again(() => this.#deliver(i))),
      ...Array.from({ length: append }, (_, i) => this.#again(() => this.#append(i))),
    ];
  }

  /** Resolves when `count` more copies have been acknowledged. */
  async more(count: number, waitMs = 120_000): Promise<void> {
    const goal = this.acknowledged + count;
    for (const began = performance.now(); this.acknowledged < goal;) {
      await sleep(5);
      if (performance.now() - began > waitMs) {
        throw new Error(`only ${this.acknowledged - goal + count} of ${count} deliveries in time`);
      }
    }
  }

  /** Lets what is under way end, with a server that answers. */
  async stop(): Promise<void> {
    this.#running = false;
    const late = setTimeout(() => {
      for (const close of this.#closers) close();
    }, 60_000);
    await Promise.all(this.#workers);
    clearTimeout(late);
  }

  /** Connects again whenever the conversation ends by failure. */
  async #again(converse: () => Promise<void>): Promise<void> {
    while (this.#running) {
      // The book tells what the loss of a connection left open; here there is nothing to add.
      await converse().catch(() => undefined);
      await sleep(20);
    }
  }

  async #deliver(worker: number): Promise<void> {
    const lines = new Lines(this.#options.ports().lmtp);
    const close = (): void => lines.destroy();
    this.#closers.add(close);
    // A connection on its way to a worker that dies is never greeted (node:cluster forgets it). Mail
    // servers give up after five minutes (RFC 5321 §4.5.3.2.1), we sooner.
    const late = setTimeout(close, greetingMsMax);
    try {
      await lines.reply();
      clearTimeout(late);
      await lines.ask('LHLO load.example.org');
      while (this.#running) await this.#transaction(lines, worker);
    } finally {
      clearTimeout(late);
      close();
      this.#closers.delete(close);
    }
  }

  async #transaction(lines: Lines, worker: number): Promise<void> {
    const bytes = this.#message();
    const names = this.#recipients(worker);
    await lines.ask('MAIL FROM:<sender@example.org>');
    for (const name of names) {
      const reply = await lines.ask(`RCPT TO:<${name}>`);
      if (!reply.startsWith('250')) return this.#refused(reply, lines);
    }
    const ready = await lines.ask('DATA');
    if (!ready.startsWith('354')) return this.#refused(ready, lines);
    const copies = names.map((name) => this.#send(name, bytes));
    lines.say(bytes);
    lines.say('.\r\n');
    for (const copy of copies) {
      const reply = await lines.reply();
      this.#answered(copy, reply, reply.startsWith('250'));
    }
  }

  async #append(worker: number): Promise<void> {
    const account = this.#account(worker);
    const client = await RawImap.signedIn(this.#options.ports().imaps, account, greetingMsMax);
    const close = (): void => client.destroy();
    this.#closers.add(close);
    try {
      while (this.#running) {
        const bytes = this.#message();
        const copy = this.#send(account.name, bytes);
        const reply = await client.literalCommand('APPEND INBOX', bytes);
        this.#answered(copy, reply.text, reply.status === 'OK');
        if (reply.status !== 'OK') throw new Error(reply.text);
      }
    } finally {
      close();
      this.#closers.delete(close);
    }
  }

  #account(index: number): Account {
    const { accounts } = this.#options;
    const account = accounts[index % accounts.length];
    if (account === undefined) throw new Error('no accounts');
    return account;
  }

  /** Every fifth message goes to two accounts at once. */
  #recipients(worker: number): string[] {
    const first = this.#account(worker).name;
    return this.#made % 5 === 0 ? [first, this.#account(worker + 1).name] : [first];
  }

  /** Mostly new, 1 to 40 KB; every seventh is a copy of a recent one, every fiftieth is over 1 MiB. */
  #message(): Buffer {
    this.#made += 1;
    const n = this.#made;
    const again = n % 7 === 0 ? this.#recent[n % this.#recent.length] : undefined;
    if (again !== undefined) return again;
    const lines = n % 50 === 0 ? 20_000 : 15 + ((n * 7919) % 600);
    const head = `From: <sender@example.org>\r\nTo: <all@example.com>\r\nSubject: load ${n}\r\nMessage-ID: <${n}@example.org>\r\n\r\n`;
    const body = Array.from(
      { length: lines },
      (_, i) => `line ${i} of message ${n} ${'x'.repeat(40)}\r\n`,
    );
    const bytes = Buffer.from(head + body.join(''), 'latin1');
    if (this.#recent.push(bytes) > 24) this.#recent.shift();
    return bytes;
  }

  #send(name: string, bytes: Buffer): Copies {
    const book = this.copies.get(name);
    const key = digest(bytes);
    const copies = book?.get(key) ?? { acknowledged: 0, open: 0 };
    book?.set(key, copies);
    copies.open += 1;
    return copies;
  }

  #answered(copies: Copies, reply: string, good: boolean): void {
    if (good) {
      copies.open -= 1;
      copies.acknowledged += 1;
      this.acknowledged += 1;
    } else if (!/^4|^\S+ NO /.test(reply)) this.refusals.push(reply);
  }

  async #refused(reply: string, lines: Lines): Promise<void> {
    if (!reply.startsWith('4')) this.refusals.push(reply);
    await lines.ask('RSET');
    await sleep(50);
  }
}
