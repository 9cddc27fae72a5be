// A session's own picture of its mailbox: which number means which message (RFC 9051 §2.3.1.2), and
// what the client has been told. Numbers change only when the client is told so.
import type { MailboxId, ModSeq, Uid } from '../kernel/ids.ts';
import type {
  Change,
  FlagChange,
  FlagName,
  MailboxSnapshot,
  MailboxView,
} from '../mailbox/types.ts';
import { MessageList, type ViewMessage } from './message-list.ts';
import { ConnectionClosed } from './output.ts';
import type { Session } from './session.ts';
import type { NumSet } from './wire/num-set.ts';
import { resolveSet } from './wire/num-set.ts';
import { ImapError } from './wire/imap-error.ts';
import { type Ranges, matchSorted, rangesOfSorted } from './wire/ranges.ts';

const systemFlags = '\\Answered \\Flagged \\Deleted \\Seen \\Draft';

export class SelectedMailbox {
  readonly view: MailboxView;
  readonly name: string;

  constructor(view: MailboxView, name: string) {
    this.view = view;
    this.name = name;
  }

  get id(): MailboxId {
    return this.view.id;
  }

  get readOnly(): boolean {
    return this.view.mode === 'read-only';
  }

  /** @throws ImapError NO [READ-ONLY] */
  assertWritable(): void {
    if (this.readOnly) throw new ImapError('NO', 'READ-ONLY', 'The mailbox was opened read-only');
  }

  /**
   * Messages of a set, ascending. Unknown uids are nothing (RFC 9051 §6.4.9); a range of sequence
   * numbers that lies wholly beyond the mailbox is the client's error.
   */
  resolve(set: NumSet, saved: Ranges): MessageList {
    const { uids } = this.view.snapshot();
    return MessageList.at(this.indexesOf(set, saved), uids);
  }

  /** The same as ranges of zero-based indexes. */
  indexesOf(set: NumSet, saved: Ranges): Ranges {
    const { uids } = this.view.snapshot();
    if (set.kind === 'saved') return matchSorted(saved, uids);
    if (set.kind === 'uid') return matchSorted(resolveSet(set, uids.at(-1) ?? 0), uids);
    const count = uids.length;
    const ranges = resolveSet(set, count);
    if (ranges.some(({ low }) => low > count)) {
      throw new ImapError('BAD', 'CLIENTBUG', 'There is no message with that number');
    }
    return ranges.map(({ low, high }) => ({ low: low - 1, high: Math.min(high, count) - 1 }));
  }

  /** `FLAGS` and `PERMANENTFLAGS`, on SELECT and when keywords come in. */
  writeFlags(session: Session): void {
    const names = this.view.keywords().map(({ name }) => name);
    const all = [systemFlags, ...names].join(' ');
    const enc = session.out.enc;
    enc.raw(`* FLAGS (${all})\r\n`);
    if (this.readOnly) {
      enc.raw('* OK [PERMANENTFLAGS ()] Read-only\r\n');
    } else {
      const more = this.view.keywordsLeft ? ' \\*' : '';
      enc.raw(`* OK [PERMANENTFLAGS (${all}${more})] Flags are kept\r\n`);
    }
  }

  /** Flag names of a message as this session shows them. */
  flagNames(session: Session, uid: Uid, flags: number): FlagName[] {
    const names = this.view.flagNames(flags);
    return !session.rev2 && this.view.isRecent(uid) ? [...names, '\\Recent'] : names;
  }

  /** An untagged FETCH that tells flags, with UID and MODSEQ where the session expects them. */
  writeFlagsOf(session: Session, told: FlagsOf, withUid = false): void {
    const enc = session.out.enc;
    enc.raw(`* ${told.seq} FETCH (`);
    if (withUid || session.condstore || session.rev2) enc.raw(`UID ${told.uid} `);
    enc.raw('FLAGS ').flags(this.flagNames(session, told.uid, told.flags));
    if (session.condstore) enc.raw(` MODSEQ (${told.modseq})`);
    enc.raw(')\r\n');
  }

  /** Tells what others did since the last time. `expunges` false: nothing may vanish now. */
  async tellChanges(
    session: Session,
    options: { readonly expunges: boolean; readonly force: boolean; readonly uid?: boolean },
  ): Promise<void> {
    const changes = await this.view.changes(options);
    for (const change of changes) await this.#tell(session, change, options.uid ?? false);
  }

  async #tell(session: Session, change: Change, withUid: boolean): Promise<void> {
    const out = session.out;
    switch (change.kind) {
      case 'vanished':
        if (session.qresync) {
          out.enc.raw('* VANISHED ').numSet(rangesOfSorted(change.uids)).crlf();
          break;
        }
        for (const seq of change.seqs.toSorted((a, b) => b - a)) {
          out.enc.raw(`* ${seq} EXPUNGE\r\n`);
          await out.relieve();
        }
        break;
      case 'exists':
        out.enc.raw(`* ${change.messages} EXISTS\r\n`);
        if (!session.rev2) out.enc.raw(`* ${change.recent} RECENT\r\n`);
        break;
      case 'keywords':
        this.writeFlags(session);
        break;
      case 'flags':
        for (const message of change.messages) {
          this.writeFlagsOf(session, message, withUid);
          await out.relieve();
        }
        break;
      case 'gone':
        await out.line('* BYE [UNAVAILABLE] The selected mailbox was deleted');
        session.door.end();
        throw new ConnectionClosed('the selected mailbox was deleted');
    }
  }

  close(): void {
    this.view.close();
  }
}

/** What an untagged FETCH of flags tells. */
export type FlagsOf = FlagChange;

/** Flags of a message of the snapshot in the form that is told. */
export function flagsAt(snapshot: MailboxSnapshot, message: ViewMessage): FlagsOf {
  return {
    uid: message.uid,
    seq: (message.index + 1) as FlagsOf['seq'],
    flags: snapshot.flags(message.index),
    modseq: snapshot.modseq(message.index) satisfies ModSeq,
  };
}
