// MailboxView: one session on one mailbox. Messages are shared by all views of the process; the picture
// (tracker.ts), \Recent and the opened keywords are the session's own.
import { PostsealError } from '../../kernel/errors.ts';
import type { MailboxId, ModSeq, Uid, UidValidity } from '../../kernel/ids.ts';
import { lowerBound } from '../../imap/wire/ranges.ts';
import { firstKeywordBit, lastKeywordBit } from '../flags/bits.ts';
import { flagNames } from '../flags/flag-resolver.ts';
import type { NameSealer } from '../names/name-sealer.ts';
import type { Room } from '../room.ts';
import type { MailboxState } from '../state/mailbox-state.ts';
import type { MailboxKey, RecentRange, SealedKeyword } from '../state/read-state.store.ts';
import type {
  Account,
  Change,
  CopyInput,
  CopyResult,
  FlagName,
  Keyword,
  MailboxSnapshot,
  MailboxView,
  MessageFacts,
  StoreInput,
  StoreResult,
  UidRange,
} from '../types.ts';
import { readVanished } from './facts.store.ts';
import { copyMessages, expungeDeleted, moveMessages, storeFlags } from './message-commands.ts';
import { Tracker } from './tracker.ts';

export type ViewMode = MailboxView['mode'];

export interface ViewScope {
  readonly room: Room;
  readonly sealer: NameSealer;
  readonly account: Account;
}

/**
 * One statement when the mailbox is in memory already. With `nameTag` it must still have that name.
 * @throws PostsealError `mailbox.unknown`.
 */
export async function openView(
  scope: ViewScope,
  key: MailboxKey,
  how: { readonly mode: ViewMode; readonly nameTag: string | undefined },
): Promise<MailboxView> {
  const { mode, nameTag } = how;
  const at = performance.now();
  const state = await scope.room.states.acquire(key);
  try {
    let taken: RecentRange | undefined;
    const take = (range: RecentRange): void => {
      taken = range;
    };
    await state.freshenFrom(at, mode === 'read-write' ? { nameTag, take } : undefined);
    if (state.gone || (nameTag !== undefined && state.nameTag !== nameTag)) {
      throw new PostsealError('mailbox.unknown', { mailbox: key.mailbox });
    }
    const view = new SessionView(scope, state, mode);
    if (taken !== undefined) view.takeRecent(taken);
    await view.claimRecent();
    return view;
  } catch (error) {
    scope.room.states.release(key.mailbox);
    throw error;
  }
}

class SessionView implements MailboxView {
  readonly id: MailboxId;
  readonly account: Account;
  readonly uidValidity: UidValidity;
  readonly mode: ViewMode;
  readonly #scope: ViewScope;
  readonly #state: MailboxState;
  readonly #tracker: Tracker;
  readonly #unsubscribe = new Set<() => void>();
  #recent: RecentRange[] = [];
  #claimed = 0;
  #opened: { readonly sealed: readonly SealedKeyword[]; readonly keywords: readonly Keyword[] };
  #goneTold = false;
  #closed = false;

  constructor(scope: ViewScope, state: MailboxState, mode: ViewMode) {
    this.#scope = scope;
    this.#state = state;
    this.#tracker = new Tracker(state);
    this.id = state.key.mailbox;
    this.account = scope.account;
    this.uidValidity = state.uidValidity;
    this.mode = mode;
    this.#opened = this.#openKeywords();
  }

  snapshot(): MailboxSnapshot {
    const tracker = this.#tracker;
    const state = this.#state;
    return {
      uids: tracker.uids,
      flags: (index) => tracker.flags(state.messages, index),
      modseq: (index) => tracker.modseq(state.messages, index) as ModSeq,
      uidNext: tracker.uidNext,
      highestModSeq: tracker.highestModseq,
    };
  }

  isRecent(uid: Uid): boolean {
    return this.#recent.some(({ from, to }) => uid >= from && uid < to);
  }

  get recentCount(): number {
    const { uids } = this.#tracker;
    return this.#recent.reduce(
      (sum, { from, to }) => sum + lowerBound(uids, to) - lowerBound(uids, from),
      0,
    );
  }

  keywords(): readonly Keyword[] {
    if (this.#opened.sealed !== this.#state.keywords) this.#opened = this.#openKeywords();
    return this.#opened.keywords;
  }

  flagNames(flags: number): FlagName[] {
    return flagNames(flags, this.keywords());
  }

  get keywordsLeft(): boolean {
    return this.#state.keywords.length <= lastKeywordBit - firstKeywordBit;
  }

  async changes(
    options: { readonly expunges?: boolean; readonly force?: boolean } = {},
  ): Promise<Change[]> {
    const { room } = this.#scope;
    await this.#state.freshen(options.force === true ? 0 : room.trustMs);
    const keywordsBefore = this.#opened.keywords.length;
    const news = this.#tracker.compare(this.#state, options.expunges ?? true);
    if (news.exists) await this.claimRecent();
    room.snapshots.consider(this.#state);
    const out: Change[] = [];
    if (news.vanished.uids.length > 0) out.push({ kind: 'vanished', ...news.vanished });
    if (news.exists) {
      const messages = this.#tracker.uids.length;
      out.push({ kind: 'exists', messages, recent: this.recentCount });
    }
    const keywords = this.keywords();
    if (keywords.length !== keywordsBefore) out.push({ kind: 'keywords', keywords });
    if (news.flags.length > 0) out.push({ kind: 'flags', messages: news.flags });
    if (this.#state.gone && !this.#goneTold) {
      this.#goneTold = true;
      out.push({ kind: 'gone' });
    }
    return out;
  }

  onHint(listener: () => void): () => void {
    const end = this.#state.onChange(listener);
    this.#unsubscribe.add(end);
    return () => {
      end();
      this.#unsubscribe.delete(end);
    };
  }

  facts(uids: readonly Uid[]): Promise<MessageFacts[]> {
    return this.#scope.room.facts.of(this.#state.key, uids);
  }

  async store(input: StoreInput): Promise<StoreResult> {
    this.#mustWrite();
    const result = await storeFlags(this.#commands(), input);
    this.#tracker.tell(result.changed);
    return result;
  }

  async expunge(input: {
    readonly uids?: readonly Uid[];
    readonly actor: StoreInput['actor'];
  }): Promise<{ expunged: readonly Uid[]; modseq: ModSeq }> {
    this.#mustWrite();
    return expungeDeleted(this.#commands(), input);
  }

  copy(input: CopyInput): Promise<CopyResult> {
    return copyMessages(this.#commands(), input);
  }

  async move(input: CopyInput): Promise<CopyResult> {
    this.#mustWrite();
    return moveMessages(this.#commands(), input);
  }

  vanishedSince(modseq: ModSeq): Promise<readonly UidRange[] | undefined> {
    return readVanished(this.#scope.room.db.pool, this.#state.key, modseq);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const end of this.#unsubscribe) end();
    this.#scope.room.snapshots.consider(this.#state);
    this.#scope.room.states.release(this.id);
  }

  /** Takes the messages that the session has just seen for recent, as far as nobody else did. */
  async claimRecent(): Promise<void> {
    const upTo = this.#tracker.uidNext;
    if (this.mode === 'read-only') {
      // EXAMINE takes nothing from the sessions that may (RFC 3501 §6.3.2).
      if (this.#recent.length === 0)
        this.#recent = [{ from: this.#state.recentFrom, to: Infinity }];
      return;
    }
    if (upTo <= this.#claimed) return;
    if (upTo <= this.#state.recentFrom) this.#claimed = upTo;
    else this.takeRecent(await this.#scope.room.claims.claim(this.#state.key, upTo));
  }

  /** What was claimed for this session. */
  takeRecent(range: RecentRange): void {
    this.#claimed = range.to;
    this.#state.shownRecent(range.to);
    const last = this.#recent.at(-1);
    if (last?.to === range.from) this.#recent.splice(-1, 1, { from: last.from, to: range.to });
    else if (range.to > range.from) this.#recent.push(range);
  }

  #commands() {
    return { room: this.#scope.room, sealer: this.#scope.sealer, state: this.#state };
  }

  #mustWrite(): void {
    if (this.mode === 'read-only')
      throw new PostsealError('access.denied', { reason: 'read-only' });
  }

  #openKeywords() {
    const sealed = this.#state.keywords;
    const { sealer } = this.#scope;
    const keywords = sealed.map(({ bit, cell }) => ({ bit, name: sealer.open(this.id, cell) }));
    return { sealed, keywords };
  }
}
