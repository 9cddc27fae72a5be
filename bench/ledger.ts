// Records per second through inbox and sequencer, and the rate of full verification, on an embedded
// PostgreSQL of its own with durable commits. `node bench/ledger.ts [events per transaction] [seconds]`.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrations } from '../migrations/index.ts';
import { uuidV4 } from '../src/kernel/ids.ts';
import type { OrganisationId } from '../src/kernel/ids.ts';
import type { UnixMs } from '../src/kernel/time.ts';
import { systemActor } from '../src/ledger/event/draft.ts';
import { createEventSealer } from '../src/ledger/event/event-sealer.ts';
import { inboxAgeMs, withEvents } from '../src/ledger/event/inbox.store.ts';
import { createSequencer } from '../src/ledger/sequencer/sequencer.ts';
import { createSigner } from '../src/ledger/signer/signer.ts';
import { openTileFiles } from '../src/ledger/tiles/tile-files.ts';
import { verifyLedger } from '../src/ledger/verify/verify-ledger.ts';
import { acquireHomeLock } from '../src/platform/home/lock.ts';
import { migrate } from '../src/platform/postgres/data-source.ts';
import { openDatabase } from '../src/platform/postgres/database.ts';
import { startEmbeddedPostgres } from '../src/platform/postgres/embedded.ts';
import { signDigest } from '../src/vault/keyfile/sign-digest.ts';

const perTransaction = Number(process.argv[2] ?? 64);
const seconds = Number(process.argv[3] ?? 8);
const writers = 4;
const origin = 'bench.example/log/1';
const home = mkdtempSync(join(tmpdir(), 'postseal-bench-'));
const clock = { now: () => Date.now() as UnixMs };
const organisation = uuidV4(randomBytes(16)) as OrganisationId;
const sealerOf = (component: string) =>
  createEventSealer({
    node: 'bench',
    boot: uuidV4(randomBytes(16)),
    organisation,
    component,
    clock,
    random: (n) => randomBytes(n),
  });
const draft = () => ({
  op: 'message.flags-changed' as const,
  outcome: 'success' as const,
  actor: { ...systemActor, p: 'ab'.repeat(32) },
  objects: [{ t: 'mbx' as const, id: uuidV4(randomBytes(16)), n: 1 }],
  fields: { uids: '17', uv: 1, add: 1 },
});
/** CPU of this process since the last call, in microseconds for each of `n`: what a busy machine leaves alone. */
let usedBefore = process.cpuUsage();
const cpu = (n: number): string => {
  const { user, system } = process.cpuUsage(usedBefore);
  usedBefore = process.cpuUsage();
  return `${((user + system) / n).toFixed(1)} us CPU each`;
};
const rate = (n: number, ms: number) => `${Math.round((n * 1000) / ms).toLocaleString('en')}/s`;

const lock = acquireHomeLock(home);
const postgres = await startEmbeddedPostgres({ home });
try {
  await migrate(postgres.url, migrations);
  const database = await openDatabase({ url: postgres.url, poolMax: 8 });
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const key = {
    spki,
    sign: (digest: Uint8Array) => Promise.resolve(signDigest(privateKey, digest)),
  };
  const dir = join(home, 'ledger');
  const files = openTileFiles(dir);
  const signer = await createSigner({
    key,
    origin,
    files,
    stateFile: join(home, 'signer', 'state'),
  });
  const sequencer = createSequencer({
    database,
    files,
    origin,
    sealer: sealerOf('sequencer'),
    signer,
    clock,
  });

  const sealer = sealerOf('sealing');
  cpu(1);
  const sealStart = performance.now();
  for (let i = 0; i < 20_000; i += 1) sealer.seal(draft());
  console.log(`seal: ${rate(20_000, performance.now() - sealStart)}, ${cpu(20_000)}`);

  sequencer.start();
  let recorded = 0;
  let oldest = 0;
  const started = performance.now();
  const write = async () => {
    const own = sealerOf('writer');
    while (performance.now() - started < seconds * 1000) {
      await withEvents(database, own, Array.from({ length: perTransaction }, draft), () =>
        Promise.resolve(),
      );
      recorded += perTransaction;
    }
  };
  const watch = async () => {
    while (performance.now() - started < seconds * 1000) {
      oldest = Math.max(oldest, await inboxAgeMs(database.pool));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  await Promise.all([watch(), ...Array.from({ length: writers }, write)]);
  const loaded = performance.now() - started;
  const size = await sequencer.publish();
  const drained = performance.now() - started;
  console.log(
    `inbox: ${rate(recorded, loaded)} recorded by ${writers} writers, ${perTransaction} events a transaction`,
  );
  console.log(
    `sequenced and signed: ${rate(size, drained)}, drained ${Math.round(drained - loaded)} ms after the load, oldest event seen ${Math.round(oldest)} ms, ${cpu(size)}`,
  );
  await sequencer.stop();

  const verifyStart = performance.now();
  const report = await verifyLedger({ database: database.pool, dir, publicKey: spki, settleMs: 0 });
  console.log(
    `verify: ${report.verdict}, ${report.size} rows, ${rate(report.size, performance.now() - verifyStart)}`,
  );
  await database.close();
} finally {
  await postgres.stop();
  lock.release();
  rmSync(home, { recursive: true, force: true });
}
