// A server under 32 parallel LMTP deliveries and some APPENDs whose processes are killed, and the audit
// after it: every acknowledged copy once, nothing half, ledger and mailboxes of one mind.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from '@jest/globals';
import { clusterFiles } from '../../src/platform/postgres/cluster.ts';
import {
  type Account,
  createTestHome,
  type Ports,
  type TestHome,
  type TestServer,
} from '../harness/server.ts';
import { type Copies, DeliveryLoad } from './delivery-load.ts';
import { withDatabase } from './home-database.ts';
import { homeProcess, whenAllGone } from './home-processes.ts';
import { RawImap } from './raw-imap.ts';

const accountCount = 6;
const orphanMs = 30_000;

/** A free port outside the range of which the system gives ports to connections. */
async function freePort(from: number): Promise<number> {
  for (let port = from; ; port += 1) {
    const server = net.createServer();
    const free = await new Promise<boolean>((done) => {
      server.once('error', () => done(false));
      server.listen(port, '127.0.0.1', () => done(true));
    });
    await new Promise((done) => server.close(done));
    if (free) return port;
  }
}

/** Digest to number of copies of everything in an account's INBOX. */
async function readAll(port: number, account: Account): Promise<Map<string, number>> {
  const client = await RawImap.signedIn(port, account);
  const { untagged } = await client.ok('EXAMINE INBOX');
  const exists = Number(untagged.find(({ text }) => text.endsWith(' EXISTS'))?.text.split(' ')[1]);
  const found = new Map<string, number>();
  for (let from = 1; from <= exists; from += 50) {
    const reply = await client.ok(`FETCH ${from}:${Math.min(exists, from + 49)} BODY.PEEK[]`);
    for (const { literals } of reply.untagged) {
      for (const bytes of literals) {
        const key = createHash('sha256').update(bytes).digest('hex');
        found.set(key, (found.get(key) ?? 0) + 1);
      }
    }
  }
  await client.logout();
  expect([...found.values()].reduce((sum, n) => sum + n, 0)).toBe(exists);
  return found;
}

/** Copies that are not as the sender's book allows. */
function misfits(found: ReadonlyMap<string, number>, book: ReadonlyMap<string, Copies>): unknown[] {
  const keys = new Set([...found.keys(), ...book.keys()]);
  return [...keys].flatMap((key) => {
    const there = found.get(key) ?? 0;
    const { acknowledged, open } = book.get(key) ?? { acknowledged: 0, open: 0 };
    const fits = there >= acknowledged && there <= acknowledged + open;
    return fits ? [] : [{ key, there, acknowledged, open }];
  });
}

export interface Audit {
  readonly messages: number;
  readonly acknowledged: number;
  readonly open: number;
}

export class KillStage {
  readonly home: TestHome;
  readonly load: DeliveryLoad;
  readonly #ports: Omit<Ports, 'metrics'>;
  #server: TestServer;
  readonly #accounts: readonly Account[];
  #round = 0;
  #alive = true;

  private constructor(
    home: TestHome,
    server: TestServer,
    ports: Omit<Ports, 'metrics'>,
    accounts: readonly Account[],
  ) {
    this.home = home;
    this.#server = server;
    this.#ports = ports;
    this.#accounts = accounts;
    this.load = new DeliveryLoad({
      ports: () => ({ ...ports, metrics: 0 }),
      accounts,
      lmtp: 32,
      append: 4,
    });
  }

  /** The same ports in every life, so that a survivor that holds one would show. */
  static async open(): Promise<KillStage> {
    const imap = await freePort(20_000 + (process.pid % 10_000));
    const imaps = await freePort(imap + 1);
    const ports = { imap, imaps, lmtp: await freePort(imaps + 1) };
    const at = (port: number) => ({ host: '127.0.0.1', port });
    const listeners = {
      imap: at(ports.imap),
      imaps: at(ports.imaps),
      lmtp: at(ports.lmtp),
      metrics: { enabled: false },
    };
    const home = createTestHome({ listeners, workers: 2 });
    const server = await home.start();
    const accounts: Account[] = [];
    for (let i = 0; i < accountCount; i += 1) {
      accounts.push(await home.createAccount(`load-${i}@example.com`));
    }
    return new KillStage(home, server, ports, accounts);
  }

  /** kill -9 of the primary; every second time the start does not wait for the others to be gone. */
  async killServer(): Promise<void> {
    this.#round += 1;
    await this.#load(30 + ((this.#round * 37) % 90));
    this.#alive = false;
    await this.#server.kill();
    if (this.#round % 2 === 0) expect(await whenAllGone(this.home.home, orphanMs)).toEqual([]);
    this.#server = await this.home.start();
    this.#alive = true;
    await this.load.more(40);
  }

  /** kill -9 of one child of the primary, which must come back by itself. */
  async killChild(
    part: 'worker-main.ts' | 'vault/service/main.ts' | 'ledger/signer/main.ts',
  ): Promise<void> {
    await this.#load(30);
    const { pid } = homeProcess(this.home.home, part);
    process.kill(pid, 'SIGKILL');
    await this.#recovered(() => homeProcess(this.home.home, part).pid !== pid);
  }

  /** kill -9 of PostgreSQL's first process: the server starts it again. */
  async killPostgres(): Promise<void> {
    await this.#load(30);
    const file = join(clusterFiles(this.home.home).data, 'postmaster.pid');
    const pid = (): number => Number(readFileSync(file, 'utf8').split('\n')[0]);
    const before = pid();
    process.kill(before, 'SIGKILL');
    await this.#recovered(() => pid() !== before);
  }

  /** Waits for more deliveries, or says at once that an earlier round left no server. */
  async #load(count: number): Promise<void> {
    if (!this.#alive) throw new Error('the server did not come back in an earlier round');
    await this.load.more(count);
  }

  async #recovered(isNew: () => boolean): Promise<void> {
    for (const began = performance.now(); ;) {
      await sleep(50);
      try {
        if (isNew()) break;
      } catch (error) {
        if (performance.now() - began > 60_000) throw error;
      }
    }
    await this.load.more(60);
  }

  /** Lets the load end and compares what senders, mailboxes, ledger and packs say. */
  async audit(): Promise<Audit> {
    await this.load.stop();
    expect(this.load.refusals).toEqual([]);
    const total = { messages: 0, acknowledged: 0, open: 0 };
    for (const account of this.#accounts) {
      const book = this.load.copies.get(account.name) ?? new Map<string, Copies>();
      const found = await readAll(this.#ports.imaps, account);
      expect({ account: account.name, misfits: misfits(found, book) }).toEqual({
        account: account.name,
        misfits: [],
      });
      for (const n of found.values()) total.messages += n;
      for (const { acknowledged, open } of book.values()) {
        total.acknowledged += acknowledged;
        total.open += open;
      }
    }
    await this.#expectLedgerAgrees(total.messages);
    expect(await this.home.ok(['ledger', 'verify'])).toMatch(/\nclean\n$/);
    expect(await this.home.ok(['scrub'])).toMatch(/\nclean\n$/);
    return total;
  }

  /** As many events of arrival as messages, each of another record, and every record is a message's. */
  async #expectLedgerAgrees(messages: number): Promise<void> {
    const counted = await withDatabase(this.home.home, async (query) => {
      for (;;) {
        const [waiting] = await query('SELECT count(*)::int AS n FROM audit_inbox');
        if (waiting?.['n'] === 0) break;
        await sleep(50);
      }
      const [arrivals] = await query(`
        SELECT count(*)::int AS events, count(DISTINCT o)::int AS records
          FROM audit_log, unnest(objects) AS o
         WHERE op IN ('mail.received', 'mail.appended') AND outcome = 'success' AND o LIKE 'rec:%'`);
      const [rows] = await query(`
        SELECT (SELECT count(*)::int FROM message) AS messages,
               (SELECT count(*)::int FROM record) AS stored,
               (SELECT count(*)::int FROM record r
                 WHERE NOT EXISTS (SELECT FROM message m WHERE m.record_id = r.record_id)) AS loose`);
      return { ...arrivals, ...rows };
    });
    expect(counted).toEqual({
      events: messages,
      records: messages,
      messages,
      stored: messages,
      loose: 0,
    });
  }

  /** A clean stop, after which nothing runs and the stopped home is whole. */
  async close(): Promise<void> {
    await this.load.stop();
    const code = await this.#server.stop();
    const left = await whenAllGone(this.home.home, orphanMs);
    const ledger = await this.home.run(['ledger', 'verify']);
    const scrub = await this.home.run(['scrub']);
    this.home.remove();
    expect({ code, left, ledger, scrub }).toMatchObject({
      code: 0,
      left: [],
      ledger: { code: 0 },
      scrub: { code: 0 },
    });
  }
}
