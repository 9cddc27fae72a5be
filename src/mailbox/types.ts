// The mailbox room's face to IMAP, intake and administration: accounts, folders, and one view a session.
// Source of truth: RFC 9051 §2.3 (uids, flags), RFC 7162 (modseq), docs/architecture.md §2 "Mailbox state".
import type {
  AccountId,
  CustodianId,
  MailboxId,
  ModSeq,
  RecordId,
  RecordNo,
  SeqNum,
  Uid,
  UidValidity,
} from '../kernel/ids.ts';
import type { UnixMs } from '../kernel/time.ts';
import type { ErasureTarget } from '../archive/erasure-target.ts';
import type { RecordRef } from '../archive/types.ts';
import type { Part } from '../archive/committer/types.ts';
import type { Actor } from '../ledger/event/draft.ts';
import type { OpenGrant } from '../vault/keys/types.ts';

export interface Account {
  readonly id: AccountId;
  /** Who owns the keys; disabling or removing the account touches no key. */
  readonly custodian: CustodianId;
  /** Lower case, what one signs in with. */
  readonly name: string;
  readonly state: 'active' | 'disabled';
  /** Never changes in the life of the account; deliveries go here. */
  readonly inbox: MailboxId;
}

/** `\Seen`, `\Answered`, `\Flagged`, `\Deleted`, `\Draft`, or a keyword such as `$Forwarded`. */
export type FlagName = string;

/** RFC 6154 attributes that a folder may carry. */
export type SpecialUse =
  | '\\All'
  | '\\Archive'
  | '\\Drafts'
  | '\\Flagged'
  | '\\Important'
  | '\\Junk'
  | '\\Sent'
  | '\\Trash';

export interface FolderInfo {
  /**
   * Undefined for a name that is no mailbox: the missing parent of a folder, or a name that is only
   * subscribed. It is listed as `\NonExistent` and, for RFC 3501 clients, `\Noselect`.
   */
  readonly id: MailboxId | undefined;
  /** Unicode (NFC), levels separated by `/`; `INBOX` in capitals. */
  readonly name: string;
  readonly specialUse: SpecialUse | undefined;
  readonly subscribed: boolean;
  /** True if a mailbox (not merely a subscribed name) lies below it. */
  readonly hasChildren: boolean;
}

/** A mailbox that was asked for by its name. */
export interface Place {
  readonly id: MailboxId;
  /** As it is stored: NFC, `INBOX` in capitals. */
  readonly name: string;
  /**
   * Keyed hash of the name, hex. Whoever does something there gives it along, and gets `mailbox.unknown`
   * if the mailbox no longer has that name. Undefined for INBOX, which never moves.
   */
  readonly nameTag: string | undefined;
}

/** \Recent is dearer than all other counts: it is read only when asked for. */
export interface StatusWish {
  readonly recent: boolean;
}

export interface StatusCounts {
  readonly messages: number;
  readonly unseen: number;
  readonly deleted: number;
  /** Undefined if not asked for. */
  readonly recent: number | undefined;
  /** Octets of all messages. */
  readonly size: number;
  readonly uidNext: Uid;
  readonly uidValidity: UidValidity;
  readonly highestModSeq: ModSeq;
}

export interface MailboxService {
  /**
   * Makes the account, its custodian's keys when the custodian is new, INBOX and the default folders.
   * @throws PostsealError `account.exists`.
   */
  createAccount(input: {
    readonly name: string;
    readonly custodian?: CustodianId;
    readonly actor: Actor;
  }): Promise<Account>;
  /** Any case. Disabled accounts are found too: look at `state`. */
  findAccount(name: string): Promise<Account | undefined>;
  /** A recipient: an alias or an account name, with or without `+detail`; disabled accounts too. */
  resolveAddress(address: string): Promise<Account | undefined>;
  listAccounts(): Promise<Account[]>;
  disableAccount(input: { readonly name: string; readonly actor: Actor }): Promise<Account>;
  enableAccount(input: { readonly name: string; readonly actor: Actor }): Promise<Account>;
  /** Addresses that lead to the account beside its name, in their order. */
  listAliases(account: Account): Promise<string[]>;
  /** @throws PostsealError `account.exists` when the address belongs to another account. */
  addAlias(input: {
    readonly name: string;
    readonly address: string;
    readonly actor: Actor;
  }): Promise<void>;
  /** @throws PostsealError `account.alias` for the account's own name and for what is not its alias. */
  removeAlias(input: {
    readonly name: string;
    readonly address: string;
    readonly actor: Actor;
  }): Promise<void>;
  /**
   * The names key is opened once, when the first folder or keyword is asked for; the grant names the
   * sign-in event. Close the view with the session.
   */
  openAccount(account: Account, grant: OpenGrant): Promise<AccountView>;
  /**
   * The part that puts a record into a mailbox; goes behind `record.part()` in an operation whose
   * event names the mailbox. For INBOX deliveries no account view is needed.
   */
  appendPart(input: AppendInput): Part<Appended>;
  /** Takes the messages of an erased record out of every mailbox. */
  readonly erasure: ErasureTarget;
  /** Writes what waits in the background (snapshots) and stops; views must be closed before. */
  close(): Promise<void>;
}

export interface AppendInput {
  readonly custodian: CustodianId;
  readonly mailbox: MailboxId;
  /** See Place. */
  readonly nameTag?: string | undefined;
  readonly record: {
    readonly recordId: RecordId;
    readonly recordNo: RecordNo;
    /** Octets of the original. */
    readonly size: number;
  };
  /** Bits, from `AccountView.flagBits`; 0 when there are none. */
  readonly flags: number;
  readonly internalDate: UnixMs;
}

export interface Appended {
  readonly uidValidity: UidValidity;
  readonly uid: Uid;
  readonly modseq: ModSeq;
}

export interface AccountView {
  readonly account: Account;
  /** Sorted by name, INBOX first; names that are only subscribed and missing parents included. */
  folders(): Promise<readonly FolderInfo[]>;
  /** The mailbox of that name, in any case for INBOX. */
  find(name: string): Promise<FolderInfo | undefined>;
  /**
   * The mailbox of that name, as this process last knew it: it may have been renamed or deleted by
   * another one since. Undefined only when there is none. `now`: as it is now.
   */
  place(name: string, look?: { readonly now: boolean }): Promise<Place | undefined>;
  /**
   * Does something at the mailbox of that name. `act` gives the `nameTag` along; when it gets
   * `mailbox.unknown`, the name is looked for again. Undefined when there is no such mailbox.
   */
  at<T>(name: string, act: (place: Place) => Promise<T>): Promise<T | undefined>;
  /** Missing parents are made too. @throws PostsealError `mailbox.exists`, `mailbox.name`. */
  create(name: string, actor: Actor, specialUse?: SpecialUse): Promise<FolderInfo>;
  /** Children stay. @throws PostsealError `mailbox.unknown`, `mailbox.protected` for INBOX. */
  remove(name: string, actor: Actor): Promise<void>;
  /** Children go along; of INBOX the messages move and INBOX stays. */
  rename(from: string, to: string, actor: Actor): Promise<void>;
  subscribe(name: string, on: boolean, actor: Actor): Promise<void>;
  /** Everything unless told otherwise. @throws PostsealError `mailbox.unknown`. */
  status(id: MailboxId, want?: StatusWish, nameTag?: string): Promise<StatusCounts>;
  /** For LIST-STATUS: one statement for all. Mailboxes that are gone are missing in the answer. */
  statuses(
    ids: readonly MailboxId[],
    want?: StatusWish,
  ): Promise<ReadonlyMap<MailboxId, StatusCounts>>;
  /**
   * Flag names to bits in that mailbox, with new keywords allotted (for APPEND, before the part).
   * @throws PostsealError `limit.reached` when the mailbox has no bit left.
   */
  flagBits(
    id: MailboxId,
    names: readonly FlagName[],
    actor: Actor,
    nameTag?: string,
  ): Promise<number>;
  /** @throws PostsealError `mailbox.unknown`. */
  open(id: MailboxId, mode: 'read-write' | 'read-only', nameTag?: string): Promise<MailboxView>;
  /** Forgets the names key. */
  close(): void;
}

export interface Keyword {
  /** 5 to 51. */
  readonly bit: number;
  readonly name: string;
}

export interface MailboxSnapshot {
  /** By sequence number - 1; do not keep it over the next `changes()`. */
  readonly uids: Uint32Array;
  /** Bits; of a message that was expunged elsewhere the last ones known. */
  flags(index: number): number;
  modseq(index: number): ModSeq;
  readonly uidNext: Uid;
  readonly highestModSeq: ModSeq;
}

export interface FlagChange {
  readonly uid: Uid;
  /** In the view after the vanished ones of the same answer are taken out. */
  readonly seq: SeqNum;
  readonly flags: number;
  readonly modseq: ModSeq;
}

/** In the order in which a session should be told: vanished, exists, keywords, flags. */
export type Change =
  | {
      readonly kind: 'vanished';
      readonly uids: readonly Uid[];
      /** Of the same messages, in the view as it was before; send them from the highest down. */
      readonly seqs: readonly SeqNum[];
    }
  | { readonly kind: 'exists'; readonly messages: number; readonly recent: number }
  | { readonly kind: 'keywords'; readonly keywords: readonly Keyword[] }
  | { readonly kind: 'flags'; readonly messages: readonly FlagChange[] }
  /** The mailbox was deleted; the view still reads what it has. */
  | { readonly kind: 'gone' };

export interface MessageFacts {
  readonly uid: Uid;
  readonly record: RecordRef;
  /** Octets of the original. */
  readonly size: number;
  readonly internalDate: UnixMs;
  /** When it came into this mailbox (RFC 8514). */
  readonly savedAt: UnixMs;
}

export interface StoreInput {
  readonly uids: readonly Uid[];
  readonly op: 'add' | 'remove' | 'set';
  readonly flags: readonly FlagName[];
  /** RFC 7162 §3.1.3: messages with a higher modseq are left alone and returned as `modified`. */
  readonly unchangedSince?: ModSeq;
  readonly actor: Actor;
}

export interface StoreResult {
  readonly modified: readonly Uid[];
  /** Messages whose flags differ now; `changes()` will not report these again to this view. */
  readonly changed: readonly {
    readonly uid: Uid;
    readonly flags: number;
    readonly modseq: ModSeq;
  }[];
}

export interface CopyInput {
  readonly uids: readonly Uid[];
  readonly to: MailboxId;
  /** See Place. */
  readonly toNameTag?: string | undefined;
  readonly actor: Actor;
}

export interface CopyResult {
  readonly uidValidity: UidValidity;
  /** Source and target uids pair up by index, ascending; messages that were gone are left out. */
  readonly from: readonly Uid[];
  readonly to: readonly Uid[];
}

/** Inclusive. */
export interface UidRange {
  readonly first: Uid;
  readonly last: Uid;
}

/** One IMAP session's view of one mailbox; message data is shared by all views of the process. */
export interface MailboxView {
  readonly id: MailboxId;
  readonly account: Account;
  readonly uidValidity: UidValidity;
  readonly mode: 'read-write' | 'read-only';
  snapshot(): MailboxSnapshot;
  /** `\Recent` for this session (RFC 3501 §2.3.2). */
  isRecent(uid: Uid): boolean;
  readonly recentCount: number;
  keywords(): readonly Keyword[];
  /** Names of the bits, system flags first, without `\Recent`. */
  flagNames(flags: number): FlagName[];
  /** False once all 47 keywords are taken: then PERMANENTFLAGS has no `\*`. */
  readonly keywordsLeft: boolean;
  /**
   * What happened since this view's last call. `expunges: false` holds vanished messages back (FETCH,
   * STORE and SEARCH by sequence number may not tell them); they keep their places until then.
   * `force` asks PostgreSQL even if this process believes to be up to date: NOOP, CHECK, IDLE.
   */
  changes(options?: { readonly expunges?: boolean; readonly force?: boolean }): Promise<Change[]>;
  /** Something may have changed; call `changes()`. Returns the end of the subscription. */
  onHint(listener: () => void): () => void;
  /** Sorted by uid; also of messages that this view still shows though they were expunged. */
  facts(uids: readonly Uid[]): Promise<MessageFacts[]>;
  /** @throws PostsealError `access.denied` on a read-only view, `limit.reached` when keywords run out. */
  store(input: StoreInput): Promise<StoreResult>;
  /** Takes `\Deleted` messages out, all or those of `uids`; `changes()` reports them as vanished. */
  expunge(input: { readonly uids?: readonly Uid[]; readonly actor: Actor }): Promise<{
    readonly expunged: readonly Uid[];
    readonly modseq: ModSeq;
  }>;
  copy(input: CopyInput): Promise<CopyResult>;
  move(input: CopyInput): Promise<CopyResult>;
  /**
   * RFC 7162 §3.2.6: what vanished after `modseq`, as ranges that may name more uids than ever were;
   * undefined when the memory of the mailbox does not reach back so far (§3.2.10.2).
   */
  vanishedSince(modseq: ModSeq): Promise<readonly UidRange[] | undefined>;
  /** Gives `\Recent` back to nobody and frees the view. */
  close(): void;
}
