// What one statement changed in one mailbox, told to this process once the batch is committed, so that
// views here need not read it back. Another process reads the same from change_log and vanished.
import type { MailboxId, ModSeq } from '../../kernel/ids.ts';

export interface MailboxDelta {
  readonly mailbox: MailboxId;
  /** The one modseq of all these changes; complete for this (mailbox, modseq). */
  readonly modseq: ModSeq;
  /** New and changed messages, ascending. */
  readonly uids: readonly number[];
  /** Bits, by the index of `uids`. */
  readonly flags: readonly number[];
  /** Ascending. */
  readonly vanished: readonly number[];
  /** The mailbox itself was deleted. */
  readonly gone?: boolean;
}

export interface DeltaSink {
  /** Takes a delta any number of times and in any order. Never throws. */
  offer(delta: MailboxDelta): void;
}

/** The half of a part's input that every kind of this room shares. */
export interface Reporting {
  readonly sink: DeltaSink;
  /** Set by `apply`, offered by `committed`; an aborted batch sets it again. */
  deltas: readonly MailboxDelta[];
}

/** For `PartKind.committed`: kinds are called in the order of their stages, which is that of modseqs. */
export function reportDeltas(results: readonly { readonly input: Reporting }[]): void {
  for (const { input } of results) {
    for (const delta of input.deltas) input.sink.offer(delta);
  }
}

/** Collects changed messages into one delta per (mailbox, modseq). */
export class DeltaBuilder {
  readonly #open = new Map<
    string,
    {
      mailbox: MailboxId;
      modseq: ModSeq;
      changed: { uid: number; flags: number }[];
      vanished: number[];
    }
  >();

  changed(mailbox: MailboxId, modseq: ModSeq, uid: number, flags: number): void {
    this.#at(mailbox, modseq).changed.push({ uid, flags });
  }

  vanished(mailbox: MailboxId, modseq: ModSeq, uid: number): void {
    this.#at(mailbox, modseq).vanished.push(uid);
  }

  /** By mailbox. */
  build(): Map<MailboxId, MailboxDelta[]> {
    const out = new Map<MailboxId, MailboxDelta[]>();
    for (const { mailbox, modseq, changed, vanished } of this.#open.values()) {
      changed.sort((a, b) => a.uid - b.uid);
      vanished.sort((a, b) => a - b);
      const delta: MailboxDelta = {
        mailbox,
        modseq,
        uids: changed.map(({ uid }) => uid),
        flags: changed.map(({ flags }) => flags),
        vanished,
      };
      out.set(mailbox, [...(out.get(mailbox) ?? []), delta]);
    }
    return out;
  }

  #at(mailbox: MailboxId, modseq: ModSeq) {
    const key = `${mailbox}/${modseq}`;
    const found = this.#open.get(key);
    if (found !== undefined) return found;
    const made = { mailbox, modseq, changed: [], vanished: [] };
    this.#open.set(key, made);
    return made;
  }
}
