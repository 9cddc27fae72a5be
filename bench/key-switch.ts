// What a switch of key generations costs with 1 % and with 100 % of the custodians marked by an erasure: the next
// generation with new keys for those, the rewrapping of everything else, and the key state that is then written.
// The key service is a process of its own on a SoftHSM token.
// usage: node bench/key-switch.ts [--custodians 1000] [--messages 4]    (an embedded PostgreSQL; prints Markdown)
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { migrations } from '../migrations/index.ts';
import { createArchive } from '../src/archive/archive.ts';
import { createCommitter } from '../src/archive/committer/committer.ts';
import { ensureOrganisation } from '../src/archive/custodians.store.ts';
import { rewrapKeys, rotateKeys } from '../src/archive/generations/key-switch.ts';
import { takeKeyState } from '../src/archive/key-state/take-rows.store.ts';
import type { RecordRef } from '../src/archive/types.ts';
import type { CustodianId, OrganisationId } from '../src/kernel/ids.ts';
import type { UnixMs } from '../src/kernel/time.ts';
import { systemActor } from '../src/ledger/event/draft.ts';
import { createEventSealer } from '../src/ledger/event/event-sealer.ts';
import { createLogger } from '../src/platform/log/create-logger.ts';
import { migrate } from '../src/platform/postgres/data-source.ts';
import { openDatabase } from '../src/platform/postgres/database.ts';
import { startEmbeddedPostgres } from '../src/platform/postgres/embedded.ts';
import { encodeRecord } from '../src/vault/formats/key-state-records.ts';
import { createKeyClient } from '../src/vault/keys/client.ts';
import { createPackStore } from '../src/vault/packs/pack-store.ts';
import { createSealPool } from '../src/vault/sealing/seal-pool.ts';
import { startKeyProcess } from '../src/vault/service/key-process.ts';

const { values } = parseArgs({
  options: {
    custodians: { type: 'string', default: '1000' },
    messages: { type: 'string', default: '4' },
  },
});
const count = Number(values.custodians);
const messages = Number(values.messages);
const atOnce = 32;

const organisation = randomUUID() as OrganisationId;
const home = mkdtempSync(join(tmpdir(), 'postseal-bench-'));
const socketPath = join(home, 'keys.sock');
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
const database = await openDatabase({ url: postgres.url, poolMax: 4 });
await ensureOrganisation({ db: database, sealer: newSealer('admin') }, organisation);
const service = await startKeyProcess({
  config: {
    databaseUrl: postgres.url,
    organisation,
    node: 'bench',
    folder: join(home, 'keys'),
    socketPath,
    store: { kind: 'pkcs11', profile: 'softhsm2', tokenLabel: 'postseal' },
  },
  onTrouble: (code, fields) => process.stderr.write(`${code} ${JSON.stringify(fields)}\n`),
  onDeath: () => process.stderr.write('the key service ended\n'),
});
const keys = createKeyClient({ socketPath });
const root = join(home, 'packs');
mkdirSync(root);
const store = createPackStore({ root, random: (n) => randomBytes(n) });
const seals = createSealPool();
const committer = createCommitter({ db: database, sealer: newSealer('worker'), organisation });
const log = createLogger({
  level: 'error',
  folder: join(home, 'log'),
  name: 'bench',
  standardError: true,
  fields: { role: 'bench' },
});
const archive = createArchive({
  ...{ db: database, keys, store, seals, committer, sealer: newSealer('admin'), organisation },
  monotonic: () => performance.now(),
});
const switching = { database, keys, committer, sealer: newSealer('admin'), organisation, log };

async function take(custodian: CustodianId, n: number): Promise<RecordRef> {
  const bytes = Buffer.from(`Subject: ${n}\r\n\r\n${randomUUID()}\r\n`);
  const record = await archive.prepare({ custodian, source: 'lmtp', bytes });
  const objects = [
    { t: 'cus', id: custodian },
    { t: 'rec', id: record.recordId },
  ] as const;
  const draft = { op: 'mail.received', outcome: 'success', actor: systemActor, objects } as const;
  const { outputs } = await committer.commit({ events: [draft], parts: [record.part()] });
  return outputs[0];
}

async function fill(): Promise<RecordRef[][]> {
  const all: RecordRef[][] = [];
  for (let at = 0; at < count; at += atOnce) {
    const some = Array.from({ length: Math.min(atOnce, count - at) }, async () => {
      const custodian = randomUUID() as CustodianId;
      await archive.ensureCustodian(custodian, 'person');
      const own: RecordRef[] = [];
      for (let n = 0; n < messages; n += 1) own.push(await take(custodian, n));
      return own;
    });
    all.push(...(await Promise.all(some)));
  }
  return all;
}

async function timed<T>(work: () => Promise<T>): Promise<[ms: number, value: T]> {
  const start = performance.now();
  const value = await work();
  return [Math.round(performance.now() - start), value];
}

async function rewrapAll(): Promise<number> {
  let wraps = 0;
  for await (const line of rewrapKeys(switching, systemActor)) {
    if (!('phase' in line)) wraps = line.done.wraps;
  }
  return wraps;
}

const stateBytes = (): Promise<number> =>
  takeKeyState(
    database,
    { organisation, after: undefined, rotatedSince: null },
    async ({ rows }) => {
      let bytes = 0;
      for await (const record of rows) bytes += encodeRecord(record).length;
      return bytes;
    },
  );

const mib = (bytes: number): string => (bytes / 1_048_576).toFixed(2);
const records = await fill();
const rows = [
  '| custodians marked | rotate | rewrap | wraps moved | key state read | its octets |',
  '| --- | --- | --- | --- | --- | --- |',
];
for (const share of [0, 0.01, 1]) {
  const marked = records.slice(0, Math.round(count * share));
  for (const own of marked) {
    const record = own.shift();
    if (record !== undefined) await archive.shred(record, { actor: systemActor });
  }
  const [rotateMs] = await timed(() => rotateKeys(switching, systemActor));
  const [rewrapMs, wraps] = await timed(rewrapAll);
  const [stateMs, bytes] = await timed(stateBytes);
  rows.push(
    `| ${marked.length} of ${count} | ${rotateMs} ms | ${rewrapMs} ms | ${wraps} | ${stateMs} ms | ${mib(bytes)} MiB |`,
  );
}
process.stdout.write(`${rows.join('\n')}\n`);

archive.close();
await committer.close();
await seals.close();
await store.close();
await keys.close();
await service.close();
await log.close();
await database.close();
await postgres.stop();
rmSync(home, { recursive: true, force: true });
