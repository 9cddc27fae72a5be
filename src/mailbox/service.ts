// MailboxService: accounts, and the way to their folders. One per process; everything it shares between
// sessions hangs on the room it makes, nothing on this module.
import { randomUUID } from 'node:crypto';
import { part, type Part } from '../archive/committer/types.ts';
import type { ErasureTarget } from '../archive/erasure-target.ts';
import { PostsealError } from '../kernel/errors.ts';
import type { AccountId, CustodianId, MailboxId } from '../kernel/ids.ts';
import type { Actor } from '../ledger/event/draft.ts';
import type { HintBus } from '../platform/hints/hint-bus.ts';
import type { OpenGrant } from '../vault/keys/types.ts';
import { createAccountView } from './account/account-view.ts';
import {
  readAccount,
  readAccountByAddress,
  readAccounts,
  readAliases,
} from './account/directory-read.store.ts';
import { KeptByBytes } from './account/kept-by-bytes.ts';
import { SealedTrees } from './account/sealed-trees.ts';
import { Turns } from './account/turns.ts';
import { mailboxesDraft } from './drafts.ts';
import { MessageErasure } from './message-erasure.ts';
import { accountName, foldName, withoutDetail } from './names/account-name.ts';
import { inboxName } from './names/folder-name.ts';
import { NameSealer } from './names/name-sealer.ts';
import { SealerOnDemand } from './names/sealer-on-demand.ts';
import { appendKind } from './parts/append.store.ts';
import {
  accountKind,
  accountStateKind,
  aliasKind,
  aliasRemovalKind,
} from './parts/directory.store.ts';
import type { Room } from './room.ts';
import { RecentClaims } from './state/recent-claims.store.ts';
import { snapshotChangesDefault, SnapshotWriter } from './state/snapshot-writer.store.ts';
import { StateCache } from './state/state-cache.ts';
import { FactsCache } from './view/facts-cache.ts';
import { readFacts } from './view/facts.store.ts';
import type {
  Account,
  AccountView,
  AppendInput,
  Appended,
  MailboxService,
  SpecialUse,
} from './types.ts';

export interface MailboxDeps extends Pick<
  Room,
  'db' | 'committer' | 'keys' | 'ensureCustodian' | 'clock'
> {
  readonly hints: HintBus;
  /** Bytes of mailbox state that may stay in memory without an open view; default 64 MiB. */
  readonly stateBytesMax?: number;
  /** Messages whose facts are kept in memory; default 131,072, which is some 13 MB. */
  readonly factsMax?: number;
  /** Bytes of folder trees that may stay in memory, sealed and opened each; default 16 MiB. */
  readonly treeBytesMax?: number;
  /** See Room.trustMs; default 1,000. Hints of other processes are quicker than that. */
  readonly trustMs?: number;
  /** Changed messages after which a snapshot is written, at least; default 1,000. */
  readonly snapshotChanges?: number;
  /** Failures that nobody waits for (snapshots): they cost time at the next start, no data. */
  readonly onBackgroundError?: (error: unknown) => void;
}

export const stateBytesDefault = 64 * 1024 * 1024;
const factsMaxDefault = 131_072;
const treeBytesDefault = 16 * 1024 * 1024;
const trustMsDefault = 1_000;

export const defaultFolders: readonly (readonly [name: string, specialUse: SpecialUse])[] = [
  ['Drafts', '\\Drafts'],
  ['Sent', '\\Sent'],
  ['Junk', '\\Junk'],
  ['Trash', '\\Trash'],
  ['Archive', '\\Archive'],
];

export function createMailboxService(deps: MailboxDeps): MailboxService {
  const { db, hints } = deps;
  const bytesMax = deps.stateBytesMax ?? stateBytesDefault;
  const treeBytesMax = deps.treeBytesMax ?? treeBytesDefault;
  const ignore = (): void => {
    // A snapshot that was not written is written at the next occasion.
  };
  return new Service({
    db,
    committer: deps.committer,
    keys: deps.keys,
    ensureCustodian: deps.ensureCustodian,
    clock: deps.clock,
    states: new StateCache({ db: db.pool, hints, bytesMax }),
    facts: new FactsCache(
      (key, uids) => readFacts(db.pool, key, uids),
      deps.factsMax ?? factsMaxDefault,
    ),
    claims: new RecentClaims(db.pool),
    snapshots: new SnapshotWriter(db, {
      changesMin: deps.snapshotChanges ?? snapshotChangesDefault,
      onError: deps.onBackgroundError ?? ignore,
    }),
    trees: new SealedTrees(db.pool, treeBytesMax),
    opened: new KeptByBytes(treeBytesMax),
    treeTurns: new Turns(),
    trustMs: deps.trustMs ?? trustMsDefault,
  });
}

class Service implements MailboxService {
  readonly erasure: ErasureTarget;
  readonly #room: Room;

  constructor(room: Room) {
    this.#room = room;
    this.erasure = new MessageErasure(room);
  }

  async createAccount(input: {
    readonly name: string;
    readonly custodian?: CustodianId;
    readonly actor: Actor;
  }): Promise<Account> {
    const name = accountName(input.name);
    // Asked first so that a name that is taken leaves no custodian without account behind.
    if ((await readAccountByAddress(this.#room.db.pool, name)) !== undefined) {
      throw new PostsealError('account.exists');
    }
    const custodian = input.custodian ?? (randomUUID() as CustodianId);
    await this.#room.ensureCustodian(custodian);
    const { key } = await this.#room.keys.writeKey('names', custodian);
    const sealer = new NameSealer(custodian, key);
    try {
      return await this.#storeAccount(name, custodian, sealer, input.actor);
    } finally {
      sealer.destroy();
    }
  }

  async findAccount(name: string): Promise<Account | undefined> {
    return readAccount(this.#room.db.pool, foldName(name));
  }

  async resolveAddress(address: string): Promise<Account | undefined> {
    const folded = foldName(address);
    const exact = await readAccountByAddress(this.#room.db.pool, folded);
    const bare = withoutDetail(folded);
    if (exact !== undefined || bare === undefined) return exact;
    return readAccountByAddress(this.#room.db.pool, bare);
  }

  listAccounts(): Promise<Account[]> {
    return readAccounts(this.#room.db.pool);
  }

  disableAccount(input: { readonly name: string; readonly actor: Actor }): Promise<Account> {
    return this.#setState(input, 'account.disabled', 'disabled');
  }

  enableAccount(input: { readonly name: string; readonly actor: Actor }): Promise<Account> {
    return this.#setState(input, 'account.enabled', 'active');
  }

  listAliases(account: Account): Promise<string[]> {
    return readAliases(this.#room.db.pool, account);
  }

  async addAlias(input: {
    readonly name: string;
    readonly address: string;
    readonly actor: Actor;
  }): Promise<void> {
    const account = await this.#existing(input.name);
    const address = accountName(input.address);
    await this.#room.committer.commit({
      events: [mailboxesDraft('account.alias-added', input.actor, account.id, [])],
      parts: [part(aliasKind, { custodian: account.custodian, account: account.id, address })],
    });
  }

  async removeAlias(input: {
    readonly name: string;
    readonly address: string;
    readonly actor: Actor;
  }): Promise<void> {
    const account = await this.#existing(input.name);
    const address = foldName(input.address);
    if (address === account.name) throw new PostsealError('account.alias');
    await this.#room.committer.commit({
      events: [mailboxesDraft('account.alias-removed', input.actor, account.id, [])],
      parts: [
        part(aliasRemovalKind, { custodian: account.custodian, account: account.id, address }),
      ],
    });
  }

  openAccount(account: Account, grant: OpenGrant): Promise<AccountView> {
    const { keys } = this.#room;
    const { custodian, id: objectId } = account;
    const slot = {
      custodian,
      group: 0,
      purpose: 'names',
      objectId,
      wrap: new Uint8Array(0),
    } as const;
    const sealer = new SealerOnDemand(async () => {
      const [key] = await keys.open(grant, [slot]);
      if (key === undefined) throw new PostsealError('key.refused', { reason: 'missing' });
      return new NameSealer(custodian, key);
    });
    return Promise.resolve(createAccountView(this.#room, account, sealer));
  }

  appendPart(input: AppendInput): Part<Appended> {
    const { custodian, mailbox, nameTag, record, flags, internalDate } = input;
    return part(appendKind, {
      custodian,
      mailbox,
      nameTag,
      recordId: record.recordId,
      recordNo: record.recordNo,
      size: record.size,
      flags,
      internalDate,
      sink: this.#room.states,
      deltas: [],
    });
  }

  close(): Promise<void> {
    return this.#room.snapshots.settled();
  }

  async #setState(
    input: { readonly name: string; readonly actor: Actor },
    op: 'account.disabled' | 'account.enabled',
    state: Account['state'],
  ): Promise<Account> {
    const account = await this.#existing(input.name);
    if (account.state === state) return account;
    const { custodian, id } = account;
    await this.#room.committer.commit({
      events: [mailboxesDraft(op, input.actor, id, [])],
      parts: [part(accountStateKind, { custodian, account: id, state })],
    });
    return { ...account, state };
  }

  async #existing(name: string): Promise<Account> {
    const account = await this.findAccount(name);
    if (account === undefined) throw new PostsealError('account.unknown');
    return account;
  }

  async #storeAccount(
    name: string,
    custodian: CustodianId,
    sealer: NameSealer,
    actor: Actor,
  ): Promise<Account> {
    const id = randomUUID() as AccountId;
    const names = [[inboxName, undefined] as const, ...defaultFolders];
    const folders = names.map(([folder, specialUse]) => ({
      ...sealer.folder(id, folder),
      id: randomUUID() as MailboxId,
      specialUse,
      subscribed: true,
    }));
    const inbox = folders[0]?.id ?? (randomUUID() as MailboxId);
    const boxes = folders.map((folder) => folder.id);
    const draft = mailboxesDraft('account.created', actor, id, boxes);
    await this.#room.committer.commit({
      events: [{ ...draft, objects: [...draft.objects, { t: 'cus', id: custodian }] }],
      parts: [
        part(accountKind, {
          custodian,
          account: id,
          name,
          inbox,
          uidValidityFrom: Math.floor(this.#room.clock.now() / 1_000),
          folders,
        }),
      ],
    });
    return { id, custodian, name, state: 'active', inbox };
  }
}
