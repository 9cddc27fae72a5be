// The services of one process of a node on a real database, a real key service (key file) and packs in a
// scratch home; for tests of the rooms that stand on all of them.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openServices, sealerFor, type Services, systemClock } from '../../src/app/services.ts';
import type { NodeContext } from '../../src/app/node-context.ts';
import { ensureOrganisation } from '../../src/archive/custodians.store.ts';
import type { OrganisationId } from '../../src/kernel/ids.ts';
import { Secret } from '../../src/kernel/secret.ts';
import { loadConfig } from '../../src/platform/config/load-config.ts';
import { openKeyfileStore } from '../../src/vault/keyfile/keyfile-store.ts';
import { type KeyService, startKeyService } from '../../src/vault/service/key-service.ts';
import { createMemoryLog, type MemoryLog } from './memory-log.ts';
import { startTestDatabase, type TestDatabase } from './postgres.ts';

export interface NodeServices {
  readonly services: Services;
  readonly db: TestDatabase;
  readonly log: MemoryLog;
  readonly home: string;
  /** Ends the key service; `startKeys` brings it back. */
  stopKeys(): Promise<void>;
  startKeys(): Promise<void>;
  /** Events waiting in the inbox, in the order in which the sequencer takes them. */
  events(): Promise<
    readonly { readonly op: string; readonly out: string; readonly text: string }[]
  >;
  close(): Promise<void>;
}

export async function startNodeServices(): Promise<NodeServices> {
  const db = await startTestDatabase();
  const home = mkdtempSync(join(tmpdir(), 'postseal-services-'));
  const organisation = randomUUID() as string as OrganisationId;
  const keySocket = join(home, 'keys.sock');
  const context: NodeContext = { home, databaseUrl: db.url, organisation, node: 'test', keySocket };
  const sealer = sealerFor(context, 'test');
  await ensureOrganisation({ db: db.database, sealer }, organisation);
  const store = await openKeyfileStore({
    path: join(home, 'keys.sealed'),
    passphrase: Secret.fromText('a passphrase for tests'),
    organisationId: organisation,
  });
  let keys: KeyService | undefined;
  const startKeys = async (): Promise<void> => {
    keys = await startKeyService({
      database: db.database,
      store,
      organisation,
      sealer: sealerFor(context, 'keys'),
      socketPath: keySocket,
      now: () => systemClock.now(),
      onError: () => undefined,
    });
  };
  await startKeys();
  const log = createMemoryLog();
  const config = loadConfig(undefined, { POSTSEAL_HOME: home });
  const services = await openServices({ config, context, log, name: 'test', poolMax: 3 });
  return {
    services,
    db,
    log,
    home,
    startKeys,
    stopKeys: async () => keys?.close(),
    async events() {
      const { rows } = await db.database.pool.query<{ body: Buffer }>(
        `SELECT b.body FROM audit_inbox i, unnest(i.bodies) WITH ORDINALITY AS b (body, place)
         ORDER BY i.id, b.place`,
      );
      return rows
        .map(({ body }) => body.toString('utf8'))
        .map((text) => ({ ...(JSON.parse(text) as { op: string; out: string }), text }));
    },
    async close() {
      await services.close();
      await keys?.close();
      await store.close();
      await db.drop();
      rmSync(home, { recursive: true, force: true });
    },
  };
}
