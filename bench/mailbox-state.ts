// Mailbox state and write path of mailboxes on a durable PostgreSQL of its own. Prints one JSON line per
// measurement. Usage: node bench/mailbox-state.ts [--messages 500000] [--clients 20] [--seconds 3]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { acquireHomeLock } from '../src/platform/home/lock.ts';
import { startEmbeddedPostgres } from '../src/platform/postgres/embedded.ts';
import type { Uid } from '../src/kernel/ids.ts';
import { startBroker } from '../test/harness/broker.ts';
import {
  actor,
  append,
  newAccount,
  openStage,
  type Stage,
  uids,
  signIn,
} from '../test/mailbox/stage.ts';
import { fillMailbox } from '../test/mailbox/fill.ts';

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '500000' },
    clients: { type: 'string', default: '20' },
    seconds: { type: 'string', default: '3' },
  },
});
const messages = Number(values.messages);
const clients = Number(values.clients);
const seconds = Number(values.seconds);

function print(what: string, numbers: Record<string, number>): void {
  const rounded = Object.entries(numbers).map(([k, v]) => [k, Math.round(v * 100) / 100]);
  process.stdout.write(`${JSON.stringify({ what, ...Object.fromEntries(rounded) })}\n`);
}

async function timed(what: string, run: () => Promise<unknown>): Promise<void> {
  const loop = monitorEventLoopDelay({ resolution: 1 });
  loop.enable();
  const started = performance.now();
  const cpu = process.cpuUsage();
  await run();
  const used = process.cpuUsage(cpu);
  loop.disable();
  print(what, {
    ms: performance.now() - started,
    cpuMs: (used.user + used.system) / 1000,
    longestTurnMs: loop.max / 1e6,
  });
}

/** `clients` loops over `seconds`. */
async function rate(what: string, run: (client: number, round: number) => Promise<unknown>) {
  const times: number[] = [];
  const end = performance.now() + seconds * 1000;
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      for (let round = 0; performance.now() < end; round += 1) {
        const started = performance.now();
        await run(client, round);
        times.push(performance.now() - started);
      }
    }),
  );
  times.sort((a, b) => a - b);
  print(what, {
    perSecond: times.length / seconds,
    p50Ms: times[times.length >> 1] ?? 0,
    p99Ms: times[Math.floor(times.length * 0.99)] ?? 0,
  });
}

async function largeMailbox(stage: Stage): Promise<void> {
  const writer = await stage.process({ snapshotChanges: 1000 });
  const { account } = await newAccount(writer);
  await fillMailbox(stage.db.database, account, account.inbox, messages);
  const open = async (
    what: string,
    box = stage.process({ snapshotChanges: 1e9, stateBytesMax: 0 }),
  ) => {
    const process = await box;
    const view = await signIn(process, account);
    await view.folders();
    await timed(what, async () => {
      const opened = await view.open(account.inbox, 'read-only');
      if (opened.snapshot().uids.length !== messages) throw new Error('wrong count');
      opened.close();
    });
    return process;
  };
  await open('cold load from rows');
  const view = await signIn(writer, account);
  const opened = await view.open(account.inbox, 'read-write');
  await opened.changes();
  await timed('snapshot written', () => writer.service.close());
  await open('cold load from snapshot');
  await append(writer, account, account.inbox);
  await timed('changes() after one message', () => opened.changes());
  await timed('changes() with nothing new', () => opened.changes());
  const all = Array.from(opened.snapshot().uids.subarray(0, 10_000)) as Uid[];
  await timed('STORE of 10,000', () =>
    opened.store({ uids: all, op: 'add', flags: ['\\Deleted'], actor }),
  );
  await timed('EXPUNGE of 10,000', () => opened.expunge({ actor }));
  opened.close();
}

async function writePath(stage: Stage): Promise<void> {
  const process = await stage.process({ trustMs: 1000 });
  const users = await Promise.all(Array.from({ length: clients }, () => newAccount(process)));
  await rate('APPEND (view only), own mailboxes', (client) => {
    const { account } = users[client]!;
    return append(process, account, account.inbox);
  });
  const views = await Promise.all(
    users.map(({ account, view }) => view.open(account.inbox, 'read-write')),
  );
  await rate('STORE one message and changes(), own mailboxes', async (client, round) => {
    const view = views[client]!;
    const op = round % 2 === 0 ? 'add' : 'remove';
    await view.store({ uids: uids(1 + ((round >> 1) % 50)), op, flags: ['\\Flagged'], actor });
    await view.changes();
  });
  for (const view of views) view.close();
  const shared = users[0]!;
  const same = await Promise.all(
    users.map(() => shared.view.open(shared.account.inbox, 'read-write')),
  );
  await rate('STORE one message and changes(), one mailbox', async (client, round) => {
    const op = round % 2 === 0 ? 'add' : 'remove';
    await same[client]!.store({ uids: uids(client + 1), op, flags: ['\\Flagged'], actor });
    await same[client]!.changes();
  });
  for (const view of same) view.close();
}

const home = mkdtempSync(join(tmpdir(), 'postseal-bench-'));
const lock = acquireHomeLock(home);
const server = await startEmbeddedPostgres({ home });
process.env['DATABASE_URL'] = server.superuserUrl;
const broker = await startBroker();
process.env['POSTSEAL_TEST_BROKER'] = broker.socket;
const stage = await openStage();
try {
  await writePath(stage);
  await largeMailbox(stage);
} finally {
  await stage.close();
  await broker.close();
  await server.stop();
  lock.release();
  rmSync(home, { recursive: true, force: true });
}
