// What a key costs over the socket of the key service, which runs as a process of its own on a SoftHSM
// token: wraps and opens in batches of 64 by one node and by four, single calls, and cold custodian keys;
// then what the tokens of this machine take themselves (token-latency.ts).
// usage: node bench/key-service.ts    (an embedded PostgreSQL in a scratch folder; prints Markdown)
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { migrations } from '../migrations/index.ts';
import type { CustodianId, EventId, OrganisationId, SessionId } from '../src/kernel/ids.ts';
import type { UnixMs } from '../src/kernel/time.ts';
import { systemActor } from '../src/ledger/event/draft.ts';
import { createEventSealer } from '../src/ledger/event/event-sealer.ts';
import { withEvents } from '../src/ledger/event/inbox.store.ts';
import { migrate } from '../src/platform/postgres/data-source.ts';
import { openDatabase } from '../src/platform/postgres/database.ts';
import { startEmbeddedPostgres } from '../src/platform/postgres/embedded.ts';
import { createKeyClient } from '../src/vault/keys/client.ts';
import type { KeyClient, KeySlot, OpenGrant } from '../src/vault/keys/types.ts';
import { startKeyProcess } from '../src/vault/service/key-process.ts';
import { percentiles } from './percentiles.ts';
import { measureTokens } from './token-latency.ts';

const batch = 64;
const runMs = 2_000;
const organisation = randomUUID() as OrganisationId;
const custodian = randomUUID() as CustodianId;
const session = randomUUID() as SessionId;
const home = mkdtempSync(join(tmpdir(), 'postseal-bench-'));
const socketPath = join(home, 'keys.sock');

const postgres = await startEmbeddedPostgres({ home });
await migrate(postgres.url, migrations);
const database = await openDatabase({ url: postgres.url, poolMax: 2 });
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
const clients = Array.from({ length: 4 }, () => createKeyClient({ socketPath }));
const [first] = clients;
if (first === undefined) throw new Error('no client');

const slots: KeySlot[] = Array.from({ length: batch }, (_, i) => ({
  custodian,
  group: i % 4,
  purpose: 'dek',
  objectId: randomUUID(),
}));
const fresh = slots.map((slot) => ({ ...slot, key: randomBytes(32) }));

/** A committed `read.granted`; without `uids` it is not used up. */
async function commitRead(): Promise<EventId> {
  const sealer = createEventSealer({
    node: 'bench',
    boot: randomUUID(),
    organisation,
    component: 'worker',
    clock: { now: () => Date.now() as UnixMs },
    random: (n) => randomBytes(n),
  });
  const draft = {
    op: 'read.granted',
    outcome: 'success',
    actor: { ...systemActor, session },
    objects: [{ t: 'cus', id: custodian }],
  } as const;
  return withEvents(database, sealer, [draft], (_, [event]) => {
    if (event === undefined) throw new Error('no event');
    return Promise.resolve(event.id);
  });
}

/** CPU time of the service so far, µs; a busy machine changes it less than the clock. */
function serviceMicros(): number {
  const fields = readFileSync(`/proc/${service.pid ?? 0}/stat`, 'latin1')
    .split(') ')[1]
    ?.split(' ');
  // utime and stime in ticks of 10 ms.
  return (Number(fields?.[11]) + Number(fields?.[12])) * 10_000;
}

interface Rate {
  readonly perSecond: number;
  /** Of a call, ms. */
  readonly times: readonly [number, number, number];
  readonly serviceMicros: number;
  readonly nodeMicros: number;
}

/** Keys a second over all `nodes`, each with one call under way after the other. */
async function rate(
  nodes: readonly KeyClient[],
  keys: number,
  call: (client: KeyClient) => Promise<unknown>,
): Promise<Rate> {
  for (let i = 0; i < 100 / keys + 5; i += 1)
    await Promise.all(nodes.map((client) => call(client)));
  const before = serviceMicros();
  const cpu = process.cpuUsage();
  const start = performance.now();
  let done = 0;
  const times: number[] = [];
  await Promise.all(
    nodes.map(async (client) => {
      while (performance.now() - start < runMs) {
        const from = performance.now();
        await call(client);
        times.push(performance.now() - from);
        done += keys;
      }
    }),
  );
  const { user, system } = process.cpuUsage(cpu);
  return {
    perSecond: (done / (performance.now() - start)) * 1_000,
    times: percentiles(times),
    serviceMicros: (serviceMicros() - before) / done,
    nodeMicros: (user + system) / done,
  };
}

try {
  await first.ensureCustodian(custodian);
  const wraps = await first.wrap(fresh);
  const grant: OpenGrant = { session, purpose: 'owner-read', events: [await commitRead()] };
  const sealed = slots.map((slot, i) => ({ ...slot, wrap: wraps[i] ?? new Uint8Array(0) }));
  const wrap = (client: KeyClient) => client.wrap(fresh);
  const open = (client: KeyClient) => client.open(grant, sealed);
  const rows = [
    ['wrap, batches of 64, 1 node', await rate([first], batch, wrap)],
    ['wrap, batches of 64, 4 nodes', await rate(clients, batch, wrap)],
    ['open, batches of 64, 1 node', await rate([first], batch, open)],
    ['open, batches of 64, 4 nodes', await rate(clients, batch, open)],
    ['wrap, one by one, 1 node', await rate([first], 1, (c) => c.wrap(fresh.slice(0, 1)))],
    ['open, one by one, 1 node', await rate([first], 1, (c) => c.open(grant, sealed.slice(0, 1)))],
    [
      'new custodians (token, commit), 1 node',
      await rate([first], 1, (c) => c.ensureCustodian(randomUUID() as CustodianId)),
    ],
  ] as const;
  process.stdout.write(
    '| work | a second | µs each | CPU µs, service | CPU µs, nodes | p50 ms a call | p95 | p99 |\n',
  );
  process.stdout.write('|---|---|---|---|---|---|---|---|\n');
  for (const [name, measured] of rows) {
    const { perSecond, serviceMicros: inService, nodeMicros, times } = measured;
    const cells = [1e6 / perSecond, inService, nodeMicros].map((micros) => micros.toFixed(1));
    const rounded = Math.round(perSecond).toLocaleString('en');
    const latency = times.map((ms) => ms.toFixed(2));
    process.stdout.write(`| ${[name, rounded, ...cells, ...latency].join(' | ')} |\n`);
  }
  process.stdout.write(`\n${(await measureTokens(home, runMs)).join('\n')}\n`);
} finally {
  await Promise.all(clients.map((client) => client.close()));
  await service.close();
  await database.close();
  await postgres.stop();
  rmSync(home, { recursive: true, force: true });
}
