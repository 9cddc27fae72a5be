// Appends a second through archive and committer: parse, tag, seal, pack, wraps, one transaction, with a
// key service in its own process and an embedded PostgreSQL that really syncs. Prints one line a run.
// usage: node bench/committer.ts [clients…]   (POSTSEAL_CORPUS names the folder of messages)
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrations } from '../migrations/index.ts';
import { createArchive } from '../src/archive/archive.ts';
import { createCommitter } from '../src/archive/committer/committer.ts';
import { ensureOrganisation } from '../src/archive/custodians.store.ts';
import type { CustodianId, OrganisationId } from '../src/kernel/ids.ts';
import type { UnixMs } from '../src/kernel/time.ts';
import { systemActor } from '../src/ledger/event/draft.ts';
import { createEventSealer } from '../src/ledger/event/event-sealer.ts';
import { migrate } from '../src/platform/postgres/data-source.ts';
import { openDatabase } from '../src/platform/postgres/database.ts';
import { startEmbeddedPostgres } from '../src/platform/postgres/embedded.ts';
import { createKeyClient } from '../src/vault/keys/client.ts';
import { createPackStore } from '../src/vault/packs/pack-store.ts';
import { createSealPool } from '../src/vault/sealing/seal-pool.ts';
import { startKeyProcess } from '../src/vault/service/key-process.ts';

const corpus = process.env['POSTSEAL_CORPUS'] ?? join(import.meta.dirname, '../../shared/corpus');
const runMs = 6_000;
const home = mkdtempSync(join(tmpdir(), 'postseal-bench-'));
mkdirSync(join(home, 'packs'));

const mails = readdirSync(corpus, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.eml'))
  .map((name) => readFileSync(join(corpus, name)))
  .filter(({ length }) => length > 8_000 && length < 17_000);
const average = Math.round(mails.reduce((sum, { length }) => sum + length, 0) / mails.length);

const organisation = randomUUID() as OrganisationId;
const clock = { now: () => Date.now() as UnixMs };
const newSealer = (component: string) =>
  createEventSealer({
    node: 'bench',
    boot: randomUUID(),
    organisation,
    component,
    clock,
    random: (n) => randomBytes(n),
  });

const postgres = await startEmbeddedPostgres({ home });
await migrate(postgres.url, migrations);
const db = await openDatabase({ url: postgres.url, poolMax: 2 });
await ensureOrganisation({ db, sealer: newSealer('admin') }, organisation);
const service = await startKeyProcess({
  config: {
    databaseUrl: postgres.url,
    socketPath: join(home, 'keys.sock'),
    folder: join(home, 'keys'),
    organisation,
    node: 'bench',
    store: { kind: 'keyfile', passphrase: 'bench' },
  },
  onTrouble: (code, fields) => process.stderr.write(`${code} ${JSON.stringify(fields)}\n`),
  onDeath: () => process.stderr.write('the key service ended\n'),
});
const keys = createKeyClient({ socketPath: join(home, 'keys.sock') });
const store = createPackStore({ root: join(home, 'packs'), random: (n) => randomBytes(n) });
const seals = createSealPool();
const sizes: number[] = [];
const committer = createCommitter({
  db,
  sealer: newSealer('worker'),
  organisation,
  onBatch: ({ operations }) => sizes.push(operations),
});
const archive = createArchive({
  db,
  keys,
  store,
  seals,
  committer,
  sealer: newSealer('admin'),
  organisation,
  monotonic: () => performance.now(),
});

async function run(clients: number, milliseconds: number): Promise<void> {
  const custodians: CustodianId[] = [];
  for (let i = 0; i < clients; i += 1) {
    const id = randomUUID() as CustodianId;
    await archive.ensureCustodian(id, 'person');
    custodians.push(id);
  }
  sizes.length = 0;
  const times: number[] = [];
  const end = performance.now() + milliseconds;
  let next = 0;
  const client = async (custodian: CustodianId): Promise<void> => {
    while (performance.now() < end) {
      const began = performance.now();
      next += 1;
      const mail = mails[next % mails.length] ?? Buffer.alloc(0);
      const bytes = Buffer.concat([Buffer.from(`X-Bench: ${next} ${custodian}\r\n`), mail]);
      const record = await archive.prepare({ custodian, source: 'append', bytes });
      await committer.commit({
        events: [
          {
            op: 'mail.appended',
            outcome: 'success',
            actor: systemActor,
            objects: [
              { t: 'cus', id: custodian },
              { t: 'rec', id: record.recordId, sz: record.size },
            ],
          },
        ],
        parts: [record.part()],
      });
      times.push(performance.now() - began);
    }
  };
  const cpu = process.cpuUsage();
  const began = performance.now();
  await Promise.all(custodians.map(client));
  const seconds = (performance.now() - began) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  times.sort((a, b) => a - b);
  const at = (share: number): string => (times[Math.floor(times.length * share)] ?? 0).toFixed(1);
  const batch = sizes.reduce((sum, n) => sum + n, 0) / Math.max(1, sizes.length);
  process.stdout.write(
    `${clients} clients: ${Math.round(times.length / seconds)} appends/s, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, ` +
      `batch ${batch.toFixed(1)}, CPU of this process a mail: user ${(user / times.length / 1_000).toFixed(3)} ms, ` +
      `system ${(system / times.length / 1_000).toFixed(3)} ms\n`,
  );
}

process.stdout.write(`${mails.length} messages, ${average} octets on average\n`);
const wanted = process.argv.slice(2).map(Number);
await run(20, 2_000);
for (const clients of wanted.length > 0 ? wanted : [20, 64]) await run(clients, runMs);

archive.close();
await committer.close();
await seals.close();
await store.close();
await keys.close();
await service.close();
await db.close();
await postgres.stop();
rmSync(home, { recursive: true, force: true });
