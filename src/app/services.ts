// The services that every process of a node has: database, keys, committer, archive, mailboxes and
// sign-in. Made in one order, closed in the reverse one.
import { randomBytes, randomUUID } from 'node:crypto';
import { createRefusals, type Refusals } from '../access/refusals.ts';
import { createSignIn, type SignIn } from '../access/sign-in.ts';
import { SignInThrottle } from '../access/throttle.ts';
import { type DayKey, UnknownNames } from '../access/unknown-names.ts';
import { createArchive } from '../archive/archive.ts';
import { gateCommitter } from '../archive/committer/gated-committer.ts';
import { createCommitter } from '../archive/committer/committer.ts';
import type { Committer } from '../archive/committer/types.ts';
import type { Archive } from '../archive/types.ts';
import type { OrganisationId } from '../kernel/ids.ts';
import type { Clock, UnixMs } from '../kernel/time.ts';
import { createPseudonyms, type Pseudonyms } from '../ledger/event/actor-keys.store.ts';
import { createEventSealer, type EventSealer } from '../ledger/event/event-sealer.ts';
import { mailboxLock } from '../mailbox/parts/mailbox-lock.store.ts';
import { createMailboxService } from '../mailbox/service.ts';
import type { MailboxService } from '../mailbox/types.ts';
import { createServiceGate, type ServiceGate } from '../operate/backup/service-gate.ts';
import type { Config } from '../platform/config/config.ts';
import { connectClusterHints } from '../platform/hints/cluster-hints.ts';
import { createHintBus } from '../platform/hints/hint-bus.ts';
import type { Log } from '../platform/log/log.ts';
import { type Database, openDatabase } from '../platform/postgres/database.ts';
import { createKeyClient } from '../vault/keys/client.ts';
import {
  createSideKeyring,
  type FlushableKeyring,
  sideCipher,
} from '../vault/keys/side-keyring.ts';
import type { KeyClient } from '../vault/keys/types.ts';
import { createSealPool } from '../vault/sealing/seal-pool.ts';
import type { BodyStore } from '../vault/packs/body-store.ts';
import { openBodyStore } from './body-stores.ts';
import { targetsBelowArchive } from './erasure-targets.ts';
import type { NodeContext } from './node-context.ts';

export interface Services {
  readonly database: Database;
  readonly keys: KeyClient;
  readonly committer: Committer;
  readonly store: BodyStore;
  readonly archive: Archive;
  readonly mailboxes: MailboxService;
  readonly pseudonyms: Pseudonyms;
  readonly throttle: SignInThrottle;
  readonly signIn: SignIn;
  readonly refusals: Refusals;
  /** Closed while the report of a restore waits for its signature. */
  readonly gate: ServiceGate;
  /** For transactions outside the committer. */
  readonly sealer: EventSealer;
  readonly clock: Clock;
  readonly organisation: OrganisationId;
  close(): Promise<void>;
}

export const systemClock: Clock = { now: () => Date.now() as UnixMs };

/** A sealer for one serial writer of this process: each has a boot of its own. */
export function sealerFor(
  context: NodeContext,
  component: string,
  keyring?: FlushableKeyring,
): EventSealer {
  return createEventSealer({
    node: context.node,
    boot: randomUUID(),
    organisation: context.organisation,
    component,
    clock: systemClock,
    random: (n) => randomBytes(n),
    ...(keyring === undefined ? {} : { side: { keyring, cipher: sideCipher } }),
  });
}

export interface ServicesOptions {
  readonly config: Config;
  readonly context: NodeContext;
  readonly log: Log;
  /** `worker 1`, `primary`: in pg_stat_activity and in every leaf. */
  readonly name: string;
  readonly poolMax: number;
  /** Today's link of the node's chain (src/access/unknown-names.ts); left out: a chain of its own. */
  readonly unknownNames?: DayKey;
  /** Tells the other processes of the node about a failed sign-in. */
  readonly onSignInFailure?: (nameKey: string, ip: string) => void;
  /** Lets the other processes forget their keys, before a shred counts as done. */
  readonly flushOthers?: () => Promise<void>;
}

function openMail(
  options: ServicesOptions,
  base: {
    readonly database: Database;
    readonly keys: KeyClient;
    readonly sealer: EventSealer;
    readonly committer: Committer;
    readonly store: BodyStore;
    readonly gate: ServiceGate;
  },
): Pick<Services, 'store' | 'archive' | 'mailboxes' | 'close'> {
  const { config, context, log } = options;
  const { database, keys, committer, sealer, store, gate } = base;
  const seals = createSealPool();
  const made = createArchive({
    db: database,
    keys,
    store,
    seals,
    committer,
    sealer,
    organisation: context.organisation,
    sizeMax: config.limits.messageBytes,
    monotonic: () => performance.now(),
    ...(options.flushOthers === undefined ? {} : { flushOthers: options.flushOthers }),
    // Made below; nobody can shred before both are there.
    erasureTargets: () => targetsBelowArchive({ mailboxes }),
    onDiscardFailure: (error) => log.warn('archive.discard.failed', { error }),
  });
  // Before anything is sealed for nothing.
  const archive: Archive = {
    ...made,
    async prepareFor(custodians, input) {
      await gate.check();
      return made.prepareFor(custodians, input);
    },
    async prepare(input) {
      await gate.check();
      return made.prepare(input);
    },
  };
  const hints = createHintBus();
  const disconnect = connectClusterHints(hints);
  const mailboxes = createMailboxService({
    db: database,
    committer,
    keys,
    ensureCustodian: (id) => archive.ensureCustodian(id, 'person'),
    clock: systemClock,
    hints,
    stateBytesMax: config.limits.memoryCacheBytes,
    onBackgroundError: (error) => log.warn('mailbox.snapshot.failed', { error }),
  });
  return {
    store,
    archive,
    mailboxes,
    async close() {
      await mailboxes.close();
      disconnect();
      archive.close();
      await committer.close();
      await seals.close();
      await store.close();
    },
  };
}

function openCommitter(
  context: NodeContext,
  name: string,
  base: {
    readonly database: Database;
    readonly keyring: FlushableKeyring;
    readonly gate: ServiceGate;
  },
): Committer {
  const { database, keyring, gate } = base;
  const committer = createCommitter({
    db: database,
    sealer: sealerFor(context, name, keyring),
    organisation: context.organisation,
    loadSideKeys: (subjects) => keyring.load(subjects),
    mailboxLock,
  });
  return gateCommitter(committer, () => gate.check());
}

export async function openServices(options: ServicesOptions): Promise<Services> {
  const { context, log, name } = options;
  const database = await openDatabase({
    url: context.databaseUrl,
    poolMax: options.poolMax,
    name: `postseal ${name}`,
    onConnectionLost: (error) => log.warn('postgres.connection.lost', { error }),
  });
  const keys = createKeyClient({ socketPath: context.keySocket, remote: context.remoteKeys });
  const keyring = createSideKeyring(keys);
  const pseudonyms = createPseudonyms({
    database,
    keyring,
    cipher: sideCipher,
    random: randomBytes,
  });
  const sealer = sealerFor(context, name, keyring);
  const gate = createServiceGate(database);
  const committer = openCommitter(context, name, { database, keyring, gate });
  const store = await openBodyStore(options.config, log);
  const mail = openMail(options, { database, keys, sealer, committer, store, gate });
  const throttle = new SignInThrottle();
  const unknownNames =
    options.unknownNames === undefined
      ? UnknownNames.begin(randomBytes(32), systemClock.now())
      : new UnknownNames(options.unknownNames);
  const signIn = createSignIn({
    database,
    committer,
    pseudonyms,
    mailboxes: mail.mailboxes,
    throttle,
    unknownNames,
    clock: systemClock,
    ...(options.onSignInFailure === undefined ? {} : { onFailure: options.onSignInFailure }),
  });
  const refusals = createRefusals({
    committer,
    unknownNames,
    clock: systemClock,
    onUnrecorded: (error, times) => log.warn('access.refusals.unrecorded', { times, error }),
  });
  return {
    database,
    keys,
    committer,
    store: mail.store,
    archive: mail.archive,
    mailboxes: mail.mailboxes,
    pseudonyms,
    throttle,
    signIn,
    refusals,
    gate,
    sealer,
    clock: systemClock,
    organisation: context.organisation,
    async close() {
      await refusals.close();
      await mail.close();
      keyring.flush();
      await keys.close();
      await database.close();
    },
  };
}
