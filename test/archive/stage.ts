// What the archive's suites stand on: a real PostgreSQL, a real key service on its socket with a key
// file, packs in a temporary folder, and as many "processes" (committer + archive) as a test wants.
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createArchive } from '../../src/archive/archive.ts';
import { createCommitter } from '../../src/archive/committer/committer.ts';
import type { Committer } from '../../src/archive/committer/types.ts';
import { ensureOrganisation } from '../../src/archive/custodians.store.ts';
import type { Archive, PreparedRecord, RecordRef, StoredRecord } from '../../src/archive/types.ts';
import type { CustodianId, OrganisationId, SessionId } from '../../src/kernel/ids.ts';
import { Secret } from '../../src/kernel/secret.ts';
import type { UnixMs } from '../../src/kernel/time.ts';
import { type EventDraft, systemActor } from '../../src/ledger/event/draft.ts';
import { createEventSealer, type EventSealer } from '../../src/ledger/event/event-sealer.ts';
import { type Database, openDatabase } from '../../src/platform/postgres/database.ts';
import { openKeyfileStore } from '../../src/vault/keyfile/keyfile-store.ts';
import type { KeyStore } from '../../src/vault/keys/key-store.ts';
import { createKeyClient } from '../../src/vault/keys/client.ts';
import type { KeyClient, OpenGrant } from '../../src/vault/keys/types.ts';
import type { BodyStore } from '../../src/vault/packs/body-store.ts';
import { createPackStore } from '../../src/vault/packs/pack-store.ts';
import { createSealPool } from '../../src/vault/sealing/seal-pool.ts';
import { type KeyService, startKeyService } from '../../src/vault/service/key-service.ts';

const clock = { now: () => Date.now() as UnixMs };

export interface StageProcess {
  readonly archive: Archive;
  readonly committer: Committer;
  readonly store: BodyStore;
  readonly keys: KeyClient;
  /** Prepares and commits one message. */
  take(custodian: CustodianId, bytes: Uint8Array): Promise<StoredRecord>;
  commit(record: PreparedRecord): Promise<StoredRecord>;
  /** A grant over `records` that the ledger knows. */
  grant(records: readonly RecordRef[]): Promise<OpenGrant>;
  read(record: RecordRef): Promise<Buffer>;
  shred(record: RecordRef): ReturnType<Archive['shred']>;
  close(): Promise<void>;
}

export interface ArchiveStage {
  readonly organisation: OrganisationId;
  readonly packs: string;
  readonly url: string;
  readonly database: Database;
  newSealer(component: string): EventSealer;
  /** Where the KEKs are. */
  readonly keyStore: KeyStore;
  /** The one that runs now. */
  keyService(): KeyService;
  /** Ends the key service and starts another, which knows only what is in the tables. */
  restartKeys(): Promise<void>;
  process(): Promise<StageProcess>;
  close(): Promise<void>;
}

export interface ArchiveStageOptions {
  /** Of an organisation that is in the database already. */
  readonly organisation?: OrganisationId;
  /** Packs of an archive that is there already. */
  readonly packs?: string;
  /** Another body store than packs in a folder; closed with each process. */
  readonly openBodies?: () => BodyStore;
  /** Another key store than a key file of the stage's own; the stage closes it. */
  readonly openStore?: (organisation: OrganisationId) => Promise<KeyStore>;
}

/** `url`: a migrated database; the stage does not drop it. */
export async function openArchiveStage(
  url: string,
  options: ArchiveStageOptions = {},
): Promise<ArchiveStage> {
  const home = mkdtempSync(join(tmpdir(), 'postseal-archive-'));
  const packs = options.packs ?? join(home, 'packs');
  mkdirSync(packs, { recursive: true });
  const organisation = options.organisation ?? (randomUUID() as OrganisationId);
  const newSealer = (component: string): EventSealer =>
    createEventSealer({
      node: 'test',
      boot: randomUUID(),
      organisation,
      component,
      clock,
      random: (n) => randomBytes(n),
    });
  const database = await openDatabase({ url, poolMax: 3 });
  await ensureOrganisation({ db: database, sealer: newSealer('admin') }, organisation);
  const openFile = (): Promise<KeyStore> =>
    openKeyfileStore({
      path: join(home, 'keys.sealed'),
      passphrase: Secret.fromText('for tests only'),
      organisationId: organisation,
    });
  const store = await (options.openStore?.(organisation) ?? openFile());
  const startKeys = (): Promise<KeyService> =>
    startKeyService({
      database,
      store,
      organisation,
      sealer: newSealer('keys'),
      socketPath: join(home, 'keys.sock'),
      now: () => Date.now(),
      // Failures of the service also reach whoever asked, which is where tests look.
      onError: () => undefined,
    });
  let service = await startKeys();
  const processes: StageProcess[] = [];
  return {
    organisation,
    packs,
    url,
    database,
    newSealer,
    keyStore: store,
    keyService: () => service,
    restartKeys: async () => {
      await service.close();
      service = await startKeys();
    },
    process: async () => {
      const made = await startProcess();
      processes.push(made);
      return made;
    },
    close: async () => {
      for (const process of processes) await process.close();
      await service.close();
      await store.close();
      await database.close();
      rmSync(home, { recursive: true, force: true });
    },
  };

  async function startProcess(): Promise<StageProcess> {
    const db = await openDatabase({ url, poolMax: 2 });
    const keys = createKeyClient({ socketPath: service.socketPath });
    const bodies =
      options.openBodies?.() ?? createPackStore({ root: packs, random: (n) => randomBytes(n) });
    const seals = createSealPool();
    const committer = createCommitter({ db, sealer: newSealer('worker'), organisation });
    const archive = createArchive({
      db,
      keys,
      store: bodies,
      seals,
      committer,
      sealer: newSealer('admin'),
      organisation,
      monotonic: () => performance.now(),
    });
    const commit = async (record: PreparedRecord): Promise<StoredRecord> => {
      const { outputs } = await committer.commit({
        events: [eventOf('mail.received', [record])],
        parts: [record.part()],
      });
      return outputs[0];
    };
    const grant = async (records: readonly RecordRef[]): Promise<OpenGrant> => {
      const session = randomUUID() as SessionId;
      const event = await committer.record(eventOf('read.granted', records, session));
      return { session, purpose: 'owner-read', events: [event] };
    };
    return {
      archive,
      committer,
      store: bodies,
      keys,
      commit,
      grant,
      take: async (custodian, bytes) =>
        commit(await archive.prepare({ custodian, source: 'lmtp', bytes })),
      read: async (record) => {
        const reader = await archive.openBody(await grant([record]), record);
        return reader.read(0, reader.size);
      },
      shred: (record) => archive.shred(record, { actor: systemActor }),
      close: async () => {
        archive.close();
        await committer.close();
        await seals.close();
        await bodies.close();
        await keys.close();
        await db.close();
      },
    };
  }
}

/** A draft about `records` and their custodians. */
export function eventOf(
  op: EventDraft['op'],
  records: readonly RecordRef[],
  session?: SessionId,
): EventDraft {
  const custodians = [...new Set(records.map(({ custodian }) => custodian))];
  return {
    op,
    outcome: 'success',
    actor: session === undefined ? systemActor : { ...systemActor, session },
    objects: [
      ...custodians.map((id) => ({ t: 'cus' as const, id, n: records.length })),
      ...records.slice(0, 50).map(({ recordId }) => ({ t: 'rec' as const, id: recordId })),
    ],
  };
}
