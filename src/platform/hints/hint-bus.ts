// Wake-up hints: "this mailbox may have changed up to that modseq". They may be lost, doubled or late;
// truth is in PostgreSQL (architecture §2, "Wake-ups are hints only").
import type { MailboxId, ModSeq } from '../../kernel/ids.ts';

export interface Hint {
  readonly mailbox: MailboxId;
  readonly modseq: ModSeq;
}

export type HintListener = (hint: Hint) => void;

export interface HintBus {
  /** Tells subscribers of this process at once and hands the hint to the transports. */
  publish(hint: Hint): void;
  /** Answers the end of the subscription. Listeners must be quick and must not throw. */
  subscribe(mailbox: MailboxId, listener: HintListener): () => void;
  /** For transports: what came from elsewhere; told to subscribers, not handed on. */
  receive(hints: readonly Hint[]): void;
  /**
   * For transports: `send` gets what was published here, the latest hint of each mailbox, at most once
   * a turn of the event loop. Answers the end of the connection.
   */
  connect(send: (hints: readonly Hint[]) => void): () => void;
}

/** A bus of its own: no state is shared between two of them. */
export function createHintBus(): HintBus {
  const listeners = new Map<MailboxId, Set<HintListener>>();
  const transports = new Set<(hints: readonly Hint[]) => void>();
  let waiting = new Map<MailboxId, Hint>();

  const tell = (hint: Hint): void => {
    for (const listener of listeners.get(hint.mailbox) ?? []) listener(hint);
  };
  const flush = (): void => {
    const hints = [...waiting.values()];
    waiting = new Map();
    for (const send of transports) send(hints);
  };

  return {
    publish: (hint) => {
      tell(hint);
      if (transports.size === 0) return;
      if (waiting.size === 0) setImmediate(flush);
      const known = waiting.get(hint.mailbox);
      if (known === undefined || known.modseq < hint.modseq) waiting.set(hint.mailbox, hint);
    },
    subscribe: (mailbox, listener) => {
      const set = listeners.get(mailbox) ?? new Set();
      listeners.set(mailbox, set.add(listener));
      return () => {
        set.delete(listener);
        if (set.size === 0 && listeners.get(mailbox) === set) listeners.delete(mailbox);
      };
    },
    receive: (hints) => {
      hints.forEach(tell);
    },
    connect: (send) => {
      transports.add(send);
      return () => {
        transports.delete(send);
      };
    },
  };
}
