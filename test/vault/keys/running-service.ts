// A key service on a real token and a real database, with what tests need around it.
import { randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  uuidV4,
  type CustodianId,
  type EventId,
  type OrganisationId,
  type SessionId,
} from '../../../src/kernel/ids.ts';
import type { UnixMs } from '../../../src/kernel/time.ts';
import { systemActor, type EventDraft } from '../../../src/ledger/event/draft.ts';
import { createEventSealer, type EventSealer } from '../../../src/ledger/event/event-sealer.ts';
import { withEvents } from '../../../src/ledger/event/inbox.store.ts';
import type { EventName } from '../../../src/ledger/event/registry.ts';
import { createKeyClient } from '../../../src/vault/keys/client.ts';
import type { KeyStore } from '../../../src/vault/keys/key-store.ts';
import type { KeyClient, KeySlot, OpenGrant } from '../../../src/vault/keys/types.ts';
import type { KeyLimitRates } from '../../../src/vault/service/key-limits.ts';
import { startKeyService, type KeyService } from '../../../src/vault/service/key-service.ts';
import { startTestDatabase, type TestDatabase } from '../../harness/postgres.ts';
import { moduleOf, newKeysFolder, openTestToken } from '../../harness/token.ts';

/** A random uuid as whatever id is wanted; `never` fits every brand. */
export const newId = (): never => uuidV4(randomBytes(16)) as never;

export interface EventOptions {
  readonly op?: EventName;
  readonly outcome?: EventDraft['outcome'];
  readonly session: SessionId;
  readonly custodians: readonly CustodianId[];
  readonly uids?: string;
  /** Time of the event, Unix milliseconds. */
  readonly at?: number;
}

/** A slot of a fresh content. */
export function dekSlot(custodian: CustodianId, group = 0): KeySlot {
  return { custodian, group, purpose: 'dek', objectId: newId() };
}

export interface RunningService {
  readonly organisation: OrganisationId;
  readonly keysFolder: string;
  readonly socketPath: string;
  readonly db: TestDatabase;
  readonly store: KeyStore;
  readonly client: KeyClient;
  /** Seals as another process of the node would. */
  readonly sealer: EventSealer;
  /** Failures that were nobody's call's fault. */
  readonly troubles: unknown[];
  /** Milliseconds by which the service's clock is ahead. */
  ahead: number;
  service: KeyService;
  /** Starts the service again after `service.close()`. */
  start(): Promise<void>;
  restart(): Promise<void>;
  newCustodian(): Promise<CustodianId>;
  /** Commits one event as a node would, and gives its id. */
  commitEvent(options: EventOptions): Promise<EventId>;
  /** A grant with a committed `read.granted` for these custodians. */
  readGrant(...custodians: CustodianId[]): Promise<OpenGrant>;
  close(): Promise<void>;
}

export async function startRunningService(
  options: { readonly limits?: KeyLimitRates } = {},
): Promise<RunningService> {
  const organisation = newId() as OrganisationId;
  const keysFolder = newKeysFolder();
  const socketPath = join(mkdtempSync(join(tmpdir(), 'postseal-run-')), 'keys.sock');
  const profile = moduleOf('softhsm2') === undefined ? 'nss-softokn' : 'softhsm2';
  const db = await startTestDatabase();
  const store = await openTestToken(profile, keysFolder, organisation);
  const troubles: unknown[] = [];
  const newSealer = (component: string, now = (): number => Date.now()): EventSealer =>
    createEventSealer({
      node: 'n1',
      boot: newId(),
      organisation,
      component,
      clock: { now: () => now() as UnixMs },
      random: (n) => randomBytes(n),
    });
  const sealer = newSealer('test');
  const start = (): Promise<KeyService> =>
    startKeyService({
      database: db.database,
      store,
      organisation,
      sealer: newSealer('keys'),
      socketPath,
      now: () => Date.now() + running.ahead,
      onError: (error) => troubles.push(error),
      ...options,
    });
  const client = createKeyClient({ socketPath });
  const commitEvent = (options: EventOptions): Promise<EventId> => {
    const { at } = options;
    const draft: EventDraft = {
      op: options.op ?? 'read.granted',
      outcome: options.outcome ?? 'success',
      actor: { ...systemActor, session: options.session },
      objects: options.custodians.map((custodian) => ({ t: 'cus', id: custodian })),
      ...(options.uids === undefined ? {} : { fields: { uids: options.uids } }),
    };
    const using = at === undefined ? sealer : newSealer('test', () => at);
    return withEvents(db.database, using, [draft], (_, [event]) => Promise.resolve(event!.id));
  };
  const running: RunningService = {
    organisation,
    keysFolder,
    socketPath,
    db,
    store,
    client,
    sealer,
    troubles,
    ahead: 0,
    service: undefined as unknown as KeyService,
    start: async () => {
      running.service = await start();
    },
    restart: async () => {
      await running.service.close();
      await running.start();
    },
    newCustodian: async () => {
      const custodian = newId() as CustodianId;
      await client.ensureCustodian(custodian);
      return custodian;
    },
    commitEvent,
    readGrant: async (...custodians) => {
      const session = newId() as SessionId;
      const events = [await commitEvent({ session, custodians })];
      return { session, purpose: 'owner-read', events };
    },
    close: async () => {
      await client.close();
      await running.service.close();
      await store.close();
      await db.drop();
    },
  };
  running.service = await start();
  return running;
}
