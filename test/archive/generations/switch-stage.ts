// What the suites of key generations stand on: an archive over a real token (a key file where there is none),
// and what the tables say about generations.
import { randomUUID } from 'node:crypto';
import type { KeySwitchDeps } from '../../../src/archive/generations/key-switch.ts';
import type { StoredRecord } from '../../../src/archive/types.ts';
import type { CustodianId } from '../../../src/kernel/ids.ts';
import { listGenerations } from '../../../src/vault/keys/generation-list.store.ts';
import { createMemoryLog } from '../../harness/memory-log.ts';
import { startTestDatabase, type TestDatabase } from '../../harness/postgres.ts';
import { moduleOf, newKeysFolder, openTestToken } from '../../harness/token.ts';
import {
  type ArchiveStage,
  type ArchiveStageOptions,
  openArchiveStage,
  type StageProcess,
} from '../stage.ts';

/** The first token of this machine. */
export const tokenProfile = (['softhsm2', 'nss-softokn'] as const).find(
  (profile) => moduleOf(profile) !== undefined,
);

export interface SwitchStage {
  readonly db: TestDatabase;
  readonly stage: ArchiveStage;
  readonly node: StageProcess;
  /** The token's folder; undefined with a key file. */
  readonly keysFolder: string;
  readonly deps: KeySwitchDeps;
  newCustodian(): Promise<CustodianId>;
  /** Takes `count` different mails in. */
  fill(custodian: CustodianId, count: number): Promise<StoredRecord[]>;
  generations(): ReturnType<typeof listGenerations>;
  /** Rows of a statement of the test's own. */
  rows(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  /** Those of the records whose mail does not come back as it was taken in. */
  unreadable(records: readonly StoredRecord[]): Promise<StoredRecord[]>;
  close(): Promise<void>;
}

export const mailOf = (text: string): Buffer =>
  Buffer.from(`From: a@example.org\r\nSubject: ${text}\r\n\r\nBody of ${text}.\r\n`);

export async function openSwitchStage(
  options: ArchiveStageOptions & { readonly keysFolder?: string; readonly db?: TestDatabase } = {},
): Promise<SwitchStage> {
  const db = options.db ?? (await startTestDatabase());
  const keysFolder = options.keysFolder ?? newKeysFolder();
  const stage = await openArchiveStage(db.url, {
    ...options,
    ...(tokenProfile === undefined
      ? {}
      : { openStore: (organisation) => openTestToken(tokenProfile, keysFolder, organisation) }),
  });
  const node = await stage.process();
  const { organisation, database } = stage;
  const { pool } = database;
  const texts = new Map<string, string>();
  return {
    db,
    stage,
    node,
    keysFolder,
    deps: {
      database,
      keys: node.keys,
      committer: node.committer,
      organisation,
      sealer: stage.newSealer('admin'),
      log: createMemoryLog(),
      leaseSeconds: 1,
    },
    async newCustodian() {
      const custodian = randomUUID() as CustodianId;
      await node.archive.ensureCustodian(custodian, 'person');
      return custodian;
    },
    async fill(custodian, count) {
      const taken: StoredRecord[] = [];
      for (let i = 0; i < count; i += 1) {
        const text = randomUUID();
        const record = await node.take(custodian, mailOf(text));
        texts.set(record.recordId, text);
        taken.push(record);
      }
      return taken;
    },
    generations: () => listGenerations(pool, organisation),
    rows: async (sql, values = []) => (await pool.query<Record<string, unknown>>(sql, values)).rows,
    async unreadable(records) {
      const bad: StoredRecord[] = [];
      for (const record of records) {
        const wanted = mailOf(texts.get(record.recordId) ?? '');
        const read = await node.read(record).catch(() => undefined);
        if (read?.equals(wanted) !== true) bad.push(record);
      }
      return bad;
    },
    async close() {
      await stage.close();
      await db.drop();
    },
  };
}
