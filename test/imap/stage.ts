// What the suites of this room stand on: the whole way from a socket to sealed bytes – PostgreSQL, key
// service on a key file, packs in a temporary folder, committer, archive, mailboxes, sign-in – in one
// process, with listeners on free ports.
import { execFileSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { createAccountCredentials } from '../../src/access/account-credentials.ts';
import { createRefusals, type Refusals } from '../../src/access/refusals.ts';
import { createSignIn } from '../../src/access/sign-in.ts';
import { SignInThrottle } from '../../src/access/throttle.ts';
import { UnknownNames } from '../../src/access/unknown-names.ts';
import { createArchive } from '../../src/archive/archive.ts';
import { createCommitter } from '../../src/archive/committer/committer.ts';
import { ensureOrganisation } from '../../src/archive/custodians.store.ts';
import { type ImapSettings, imapSettingsDefault } from '../../src/imap/deps.ts';
import { type ImapServer, startImapServer } from '../../src/imap/listener.ts';
import { createSessionTrace, type SessionTrace } from '../../src/imap/session-trace.ts';
import type { OrganisationId } from '../../src/kernel/ids.ts';
import { Secret } from '../../src/kernel/secret.ts';
import type { UnixMs } from '../../src/kernel/time.ts';
import { createPseudonyms } from '../../src/ledger/event/actor-keys.store.ts';
import { systemActor } from '../../src/ledger/event/draft.ts';
import { createEventSealer, type EventSealer } from '../../src/ledger/event/event-sealer.ts';
import { mailboxLock } from '../../src/mailbox/parts/mailbox-lock.store.ts';
import { createMailboxService } from '../../src/mailbox/service.ts';
import type { MailboxService } from '../../src/mailbox/types.ts';
import { createHintBus } from '../../src/platform/hints/hint-bus.ts';
import { openDatabase } from '../../src/platform/postgres/database.ts';
import { openKeyfileStore } from '../../src/vault/keyfile/keyfile-store.ts';
import { createKeyClient } from '../../src/vault/keys/client.ts';
import { createSideKeyring, sideCipher } from '../../src/vault/keys/side-keyring.ts';
import { createPackStore } from '../../src/vault/packs/pack-store.ts';
import { createSealPool } from '../../src/vault/sealing/seal-pool.ts';
import { startKeyService } from '../../src/vault/service/key-service.ts';
import { createMemoryLog, type MemoryLog } from '../harness/memory-log.ts';
import { startTestDatabase, type TestDatabase } from '../harness/postgres.ts';
import type { Door } from '../wire/transcript.ts';

const clock = { now: () => Date.now() as UnixMs };
const random = (n: number): Buffer => randomBytes(n);

/** One worker process as the server has several: all of its own but database, keys and packs. */
export interface ImapWorker {
  readonly server: ImapServer;
  readonly plain: Door;
  readonly secure: Door;
  readonly trace: SessionTrace;
  /** Closed early by tests that look at what was only counted. */
  readonly refusals: Refusals;
}

export interface ImapStage extends ImapWorker {
  readonly db: TestDatabase;
  readonly log: MemoryLog;
  /** Another worker on the same database, without a wire for hints between the two. */
  newWorker(settings?: Partial<ImapSettings>): Promise<ImapWorker>;
  /** A new account; the password is the same for all. */
  newAccount(): Promise<{ readonly name: string; readonly password: string }>;
  /** Folder of the packs. */
  readonly packs: string;
  /** What a shred or a restriction does to every worker. */
  flushCaches(): void;
  /** Names of the events in the ledger's inbox with their fields, in the order of their ids. */
  events(): Promise<LedgerEvent[]>;
  close(): Promise<void>;
}

export interface LedgerEvent {
  readonly id: string;
  readonly op: string;
  readonly out: string;
  readonly f: Readonly<Record<string, unknown>>;
}

const password = 'a password of sixteen';

interface Household {
  readonly home: string;
  readonly url: string;
  readonly organisation: OrganisationId;
  readonly keySocket: string;
  readonly log: MemoryLog;
  newSealer(
    component: string,
    side?: NonNullable<Parameters<typeof createEventSealer>[0]['side']>,
  ): EventSealer;
}

/** `onKeyError`: what the key service cannot do or record; a test fails by it unless it says otherwise. */
export async function openImapStage(
  settings: Partial<ImapSettings> = {},
  onKeyError: (error: unknown) => void = (error) => {
    throw error;
  },
): Promise<ImapStage> {
  const db = await startTestDatabase();
  const home = mkdtempSync(join(tmpdir(), 'postseal-imap-'));
  mkdirSync(join(home, 'packs'));
  const organisation = randomUUID() as OrganisationId;
  const newSealer: Household['newSealer'] = (component, side) =>
    createEventSealer({
      node: 'test',
      boot: randomUUID(),
      organisation,
      component,
      clock,
      random,
      ...(side === undefined ? {} : { side }),
    });
  const admin = newSealer('admin');
  const { database } = db;
  await ensureOrganisation({ db: database, sealer: admin }, organisation);
  const log = createMemoryLog();
  const keyService = await startKeyFile(home, {
    database,
    organisation,
    sealer: newSealer('keys'),
    onError: onKeyError,
  });
  const keySocket = keyService.socketPath;
  const household = { home, url: db.url, organisation, keySocket, log, newSealer };
  const first = await startWorker(household, settings);
  const workers = [first];
  const credentials = createAccountCredentials({
    database,
    sealer: admin,
    // Only first passwords are set here.
    approvals: { use: () => Promise.reject(new Error('nobody approves here')) },
  });
  let accounts = 0;
  return {
    ...first,
    db,
    log,
    newWorker: async (more = {}) => {
      const worker = await startWorker(household, { ...settings, ...more });
      workers.push(worker);
      return worker;
    },
    newAccount: async () => {
      accounts += 1;
      const name = `user${accounts}@example.com`;
      const account = await first.mailboxes.createAccount({ name, actor: systemActor });
      const hash = await credentials.check(Secret.fromText(password));
      await credentials.setFirst(account, hash, systemActor);
      return { name, password };
    },
    packs: join(home, 'packs'),
    flushCaches: () => {
      for (const worker of workers) worker.flushCaches();
    },
    events: () => readLedger(db),
    close: async () => {
      for (const worker of workers) await worker.close();
      await keyService.close();
      await db.drop();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

async function readLedger(db: TestDatabase): Promise<LedgerEvent[]> {
  const { rows } = await db.database.pool.query<{ body: Buffer }>(
    'SELECT unnest(bodies) AS body FROM audit_inbox',
  );
  return rows
    .map(({ body }) => JSON.parse(body.toString('utf8')) as Partial<LedgerEvent>)
    .map(({ id = '', op = '', out = '', f = {} }) => ({ id, op, out, f }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

interface OwnWorker extends ImapWorker {
  readonly mailboxes: MailboxService;
  flushCaches(): void;
  close(): Promise<void>;
}

async function startWorker(
  household: Household,
  settings: Partial<ImapSettings>,
): Promise<OwnWorker> {
  const { home, organisation, log } = household;
  const db = await openDatabase({ url: household.url, poolMax: 3 });
  const keys = createKeyClient({ socketPath: household.keySocket });
  const keyring = createSideKeyring(keys);
  const sealer = household.newSealer('worker', { keyring, cipher: sideCipher });
  const committer = createCommitter({ db, sealer, organisation, mailboxLock });
  const store = createPackStore({ root: join(home, 'packs'), random });
  const seals = createSealPool();
  const archive = createArchive({
    db,
    keys,
    store,
    seals,
    committer,
    sealer: household.newSealer('admin'),
    organisation,
    monotonic: () => performance.now(),
  });
  const mailboxes = createMailboxService({
    db,
    committer,
    keys,
    ensureCustodian: (id) => archive.ensureCustodian(id, 'person'),
    clock,
    hints: createHintBus(),
  });
  const pseudonyms = createPseudonyms({ database: db, keyring, cipher: sideCipher, random });
  const throttle = new SignInThrottle();
  const signInDeps = { database: db, committer, keys, pseudonyms, mailboxes, throttle, clock };
  const refusals = createRefusals({
    committer,
    unknownNames: UnknownNames.begin(randomBytes(32), clock.now()),
    clock,
    onUnrecorded: (error) => log.warn('access.refusals.unrecorded', { error }),
  });
  const trace = createSessionTrace();
  const tls = certificate(home);
  const context = createSecureContext(tls);
  const server = await startImapServer(
    {
      settings: { ...imapSettingsDefault, failedSignInMs: 20, keepAliveMs: 60_000, ...settings },
      mailboxes,
      archive,
      committer,
      signIn: createSignIn(signInDeps),
      mayChange: () => Promise.resolve(true),
      refusals,
      log,
      trace,
      clock,
      secureContext: () => context,
      version: '0.1.0',
    },
    { imap: { host: '127.0.0.1', port: 0 }, imaps: { host: '127.0.0.1', port: 0 }, tls },
  );
  return {
    server,
    plain: { port: server.imap?.port ?? 0, tls: false },
    secure: { port: server.imaps?.port ?? 0, tls: true },
    trace,
    refusals,
    mailboxes,
    flushCaches: () => archive.flushCaches(),
    close: async () => {
      await server.close();
      await refusals.close();
      await mailboxes.close();
      archive.close();
      await committer.close();
      await seals.close();
      await store.close();
      await keys.close();
      await db.close();
    },
  };
}

async function startKeyFile(
  home: string,
  deps: {
    readonly database: Parameters<typeof startKeyService>[0]['database'];
    readonly organisation: OrganisationId;
    readonly sealer: EventSealer;
    readonly onError: (error: unknown) => void;
  },
): ReturnType<typeof startKeyService> {
  const store = await openKeyfileStore({
    path: join(home, 'keys.sealed'),
    passphrase: Secret.fromText('for tests only'),
    organisationId: deps.organisation,
  });
  const service = await startKeyService({
    ...deps,
    store,
    socketPath: join(home, 'keys.sock'),
    now: () => Date.now(),
  });
  return {
    ...service,
    close: async () => {
      await service.close();
      await store.close();
    },
  };
}

function certificate(home: string): { readonly key: Buffer; readonly cert: Buffer } {
  const [key, cert] = [join(home, 'key.pem'), join(home, 'cert.pem')];
  if (existsSync(key)) return { key: readFileSync(key), cert: readFileSync(cert) };
  const request = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
  ];
  const names = ['-keyout', key, '-out', cert, '-days', '2', '-subj', '/CN=localhost'];
  execFileSync('openssl', [...request, ...names], { stdio: 'ignore' });
  return { key: readFileSync(key), cert: readFileSync(cert) };
}
