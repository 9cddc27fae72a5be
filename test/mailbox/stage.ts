// What the suites of this room stand on: a real database, a real key service with a key file, and
// committers and services on them, as many "processes" as a test wants.
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCommitter } from '../../src/archive/committer/committer.ts';
import type { Committer } from '../../src/archive/committer/types.ts';
import type {
  MailboxId,
  OrganisationId,
  RecordId,
  RecordNo,
  SessionId,
  Uid,
} from '../../src/kernel/ids.ts';
import type { UnixMs } from '../../src/kernel/time.ts';
import { systemActor } from '../../src/ledger/event/draft.ts';
import { createEventSealer } from '../../src/ledger/event/event-sealer.ts';
import { mailboxLock } from '../../src/mailbox/parts/mailbox-lock.store.ts';
import { createMailboxService } from '../../src/mailbox/service.ts';
import type {
  Account,
  AccountView,
  Appended,
  MailboxService,
  MailboxView,
} from '../../src/mailbox/types.ts';
import { createHintBus, type HintBus } from '../../src/platform/hints/hint-bus.ts';
import { openDatabase, type Database } from '../../src/platform/postgres/database.ts';
import { ensureOrganisation } from '../../src/archive/custodians.store.ts';
import { Secret } from '../../src/kernel/secret.ts';
import { openKeyfileStore } from '../../src/vault/keyfile/keyfile-store.ts';
import { createKeyClient } from '../../src/vault/keys/client.ts';
import { startKeyService } from '../../src/vault/service/key-service.ts';
import { startTestDatabase, type TestDatabase } from '../harness/postgres.ts';

const organisation = randomUUID() as OrganisationId;
const clock = { now: () => Date.now() as UnixMs };
/** One process: a committer and a service of its own on the same database. */
export interface Process {
  readonly committer: Committer;
  readonly service: MailboxService;
  readonly hints: HintBus;
  readonly database: Database;
  close(): Promise<void>;
}

export interface ProcessOptions {
  readonly trustMs?: number;
  readonly stateBytesMax?: number;
  readonly treeBytesMax?: number;
  readonly snapshotChanges?: number;
  readonly hints?: HintBus;
}

export interface Stage {
  readonly db: TestDatabase;
  process(options?: ProcessOptions): Promise<Process>;
  close(): Promise<void>;
}

export async function openStage(): Promise<Stage> {
  const db = await startTestDatabase();
  const home = mkdtempSync(join(tmpdir(), 'postseal-mailbox-'));
  await ensureOrganisation({ db: db.database, sealer: newSealer('admin') }, organisation);
  const store = await openKeyfileStore({
    path: join(home, 'keys.sealed'),
    passphrase: Secret.fromText('for tests only'),
    organisationId: organisation,
  });
  const keyService = await startKeyService({
    database: db.database,
    store,
    organisation,
    sealer: newSealer('keys'),
    socketPath: join(home, 'keys.sock'),
    now: () => Date.now(),
    // Failures of the service also reach whoever asked, which is where tests look.
    onError: () => undefined,
  });
  const processes: Process[] = [];
  return {
    db,
    process: async (options = {}) => {
      const made = await startProcess(db.url, keyService.socketPath, options);
      processes.push(made);
      return made;
    },
    close: async () => {
      for (const process of processes) await process.close();
      await keyService.close();
      await store.close();
      await db.drop();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

function newSealer(component: string) {
  return createEventSealer({
    node: 'test',
    boot: randomUUID(),
    organisation,
    component,
    clock,
    random: (n) => randomBytes(n),
  });
}

async function startProcess(
  url: string,
  socketPath: string,
  options: ProcessOptions,
): Promise<Process> {
  const database = await openDatabase({ url, poolMax: 2 });
  const keys = createKeyClient({ socketPath });
  const sealer = newSealer('worker');
  const committer = createCommitter({ db: database, sealer, organisation, mailboxLock });
  const hints = options.hints ?? createHintBus();
  const service = createMailboxService({
    db: database,
    committer,
    keys,
    ensureCustodian: (custodian) => keys.ensureCustodian(custodian),
    clock,
    hints,
    // Without a wire between the test's processes every read asks the database.
    trustMs: options.trustMs ?? 0,
    ...(options.treeBytesMax === undefined ? {} : { treeBytesMax: options.treeBytesMax }),
    ...(options.stateBytesMax === undefined ? {} : { stateBytesMax: options.stateBytesMax }),
    ...(options.snapshotChanges === undefined ? {} : { snapshotChanges: options.snapshotChanges }),
    onBackgroundError: (error) => {
      throw error;
    },
  });
  let closed = false;
  return {
    committer,
    service,
    hints,
    database,
    close: async () => {
      if (closed) return;
      closed = true;
      await service.close();
      await committer.close();
      await keys.close();
      await database.close();
    },
  };
}

export const actor = systemActor;

let accounts = 0;
export async function newAccount(
  process: Process,
): Promise<{ account: Account; view: AccountView }> {
  accounts += 1;
  const account = await process.service.createAccount({ name: `a${accounts}@example.com`, actor });
  return { account, view: await signIn(process, account) };
}

/** A session whose sign-in stands in the ledger, as the key service wants it. */
export async function signIn(
  process: Pick<Process, 'committer' | 'service'>,
  account: Account,
): Promise<AccountView> {
  const session = randomUUID() as SessionId;
  const event = await process.committer.record({
    op: 'session.signed-in',
    outcome: 'success',
    actor: { ...actor, session },
    objects: [
      { t: 'ses', id: session },
      { t: 'acc', id: account.id },
      { t: 'cus', id: account.custodian },
    ],
  });
  return process.service.openAccount(account, { session, purpose: 'sign-in', events: [event] });
}

/** A message in `mailbox`; the record itself belongs to the archive's suites. */
export async function append(
  process: Process,
  account: Account,
  mailbox: MailboxId,
  message: { flags?: number; size?: number; recordNo?: number; nameTag?: string | undefined } = {},
): Promise<Appended> {
  const recordId = randomUUID() as RecordId;
  const { outputs } = await process.committer.commit({
    events: [
      {
        op: 'mail.appended',
        outcome: 'success',
        actor,
        objects: [
          { t: 'rec', id: recordId },
          { t: 'mbx', id: mailbox },
          { t: 'acc', id: account.id },
        ],
      },
    ],
    parts: [
      process.service.appendPart({
        custodian: account.custodian,
        mailbox,
        nameTag: message.nameTag,
        record: {
          recordId,
          recordNo: (message.recordNo ?? 0) as RecordNo,
          size: message.size ?? 100,
        },
        flags: message.flags ?? 0,
        internalDate: 1_700_000_000_000 as UnixMs,
      }),
    ],
  });
  return outputs[0];
}

/** Many at once, so that they share batches. */
export function appendMany(
  process: Process,
  account: Account,
  mailbox: MailboxId,
  count: number,
  flags = 0,
): Promise<Appended[]> {
  return Promise.all(
    Array.from({ length: count }, (_, i) =>
      append(process, account, mailbox, { flags, recordNo: i }),
    ),
  );
}

/** How often the process asked PostgreSQL outside of its commits while `work` ran. */
export async function statementsOf(
  process: Process,
  work: () => Promise<unknown>,
): Promise<number> {
  let statements = 0;
  const count = (): void => {
    statements += 1;
  };
  process.database.pool.on('acquire', count);
  await work();
  process.database.pool.off('acquire', count);
  return statements;
}

/** What a session sees, message by message. */
export function inView(view: MailboxView) {
  const snapshot = view.snapshot();
  return Array.from(snapshot.uids, (uid, i) => ({
    uid,
    flags: snapshot.flags(i),
    modseq: snapshot.modseq(i),
  }));
}

/** What the rows say. */
export async function inRows(db: TestDatabase, mailbox: MailboxId) {
  const { rows } = await db.database.pool.query<Record<string, string>>(
    'SELECT uid, flags, modseq FROM message WHERE mailbox_id = $1 ORDER BY uid',
    [mailbox],
  );
  return rows.map((row) => ({
    uid: Number(row['uid']),
    flags: Number(row['flags']),
    modseq: Number(row['modseq']),
  }));
}

export const uids = (...list: number[]) => list as Uid[];
